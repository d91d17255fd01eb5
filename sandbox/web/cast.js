// The first people: when both workspaces are empty a newcomer finds somebody to be and somewhere to write.

import { call } from "./http.js";

const AGENT = "Vera Lind";

export const isEmpty = (slack, telegram) => slack.people().length === 0 && telegram.people().length === 0;

/** Make the first people and places. Two pages opened at once make them once. */
export function assemble(slack, telegram, desk) {
  const work = async () => {
    await Promise.all([slack.load(), telegram.load()]);
    if (!isEmpty(slack, telegram)) return;
    const mentor = await inSlack(slack);
    const specialist = await inTelegram(telegram);
    await onDesk(desk, mentor, specialist);
  };
  return navigator.locks ? navigator.locks.request("okno.sandbox.cast", work) : work();
}

async function inSlack(slack) {
  const student = await slack.addPerson({ name: "Asya Marin", desk: "" });
  const other = await slack.addPerson({ name: "Tom Becker", desk: "" });
  const mentor = await slack.addPerson({ name: "Boris Hale", desk: "mentor" });
  const members = [student, other, mentor];
  const topic = "Questions about the Python course";
  await call("POST", "/control/slack/channels", { name: "course-python", type: "public", members, topic });
  await call("POST", "/control/slack/channels", { name: "cohort-7", type: "private", members });
  await slack.load();
  return slack.personKey(mentor);
}

async function inTelegram(telegram) {
  const owner = await telegram.addPerson({ name: "Leila Aydin" });
  await telegram.addPerson({ name: "Marco Conti" });
  const specialist = await telegram.addPerson({ name: "Dana Roth" });
  await telegram.addPlace(owner, { name: "Entrepreneurs’ club", kind: "group" });
  return telegram.personKey(specialist);
}

async function onDesk(desk, mentor, specialist) {
  await desk.add("Boris Hale", "mentor", mentor);
  await desk.add("Dana Roth", "agent", specialist);
  await desk.add(AGENT, "agent", null);
}
