// Who and where you were last, kept in the browser; without storage the page merely forgets.

const PREFIX = "okno.sandbox.";

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage is switched off or full: nothing depends on it.
  }
}

export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}
