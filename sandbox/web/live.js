// What happens in both simulations, as it happens. After a gap everything is read anew: nothing is missed for good.

export class Live {
  /** `onHappening(event)` for each happening, `onState(connected)` when the stream begins or breaks. */
  constructor({ onHappening, onState }) {
    this.onHappening = onHappening;
    this.onState = onState;
  }

  start() {
    const source = new EventSource("/live");
    source.onopen = () => this.onState(true);
    source.onmessage = (message) => this.onHappening(JSON.parse(message.data));
    source.onerror = () => {
      this.onState(false);
      if (source.readyState === EventSource.CLOSED) {
        source.close();
        setTimeout(() => this.start(), 1000);
      }
    };
  }
}
