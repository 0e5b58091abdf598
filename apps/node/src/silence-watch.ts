/**
 * Tells from the bytes of a transport whether its client is still there, for clients whose ICE says nothing of it
 * (`checksConsent` of libs/sdp). Whoever sends or receives media also sends RTCP every few seconds (RFC 3550 §6.2).
 */
export class SilenceWatch {
  readonly #limitMs: number;
  #bytes = -1;
  #heardAt = 0;

  /** @param limitMs so long nothing comes from a client that is gone. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * @param bytesReceived of the transport so far
   * @param isExpected whether a client that is there would send something: media, or reports of what it receives
   * @param now ms on a clock that never goes back
   * @returns whether the client counts as gone
   */
  observe(bytesReceived: number, isExpected: boolean, now: number): boolean {
    if (bytesReceived !== this.#bytes || !isExpected) {
      this.#bytes = bytesReceived;
      this.#heardAt = now;
    }
    return now - this.#heardAt >= this.#limitMs;
  }
}
