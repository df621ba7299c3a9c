/** Where a server listens, or is reached. */
export interface Address {
  /** A name, or an address of IPv4 or IPv6 without brackets. */
  hostname: string;
  port: number;
}

/** An address of this machine to listen on; without a port it is that of -p. */
export interface Interface {
  /** As in {@link Address}. */
  hostname: string;
  port: number | undefined;
}
