/** How long an acknowledgement waits for others of its connection, in milliseconds. */
const ACK_WAIT_MS = 10;

/**
 * Sends the acknowledgements of all channels of a connection together: RabbitMQ and this process exchange one write for
 * many deliveries. Nobody waits for an acknowledgement: if it is lost with its process or connection, the delivery
 * arrives again, as it does when it was never sent.
 */
export class AckSchedule {
  private readonly channels = new Set<{ flush(): void }>();

  /** Calls `channel.flush` within {@link ACK_WAIT_MS}. */
  add(channel: { flush(): void }): void {
    if (this.channels.size === 0) setTimeout(() => this.flush(), ACK_WAIT_MS);
    this.channels.add(channel);
  }

  private flush(): void {
    const channels = [...this.channels];
    this.channels.clear();
    for (const channel of channels) channel.flush();
  }
}
