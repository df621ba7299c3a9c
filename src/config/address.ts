/** Where a server listens, or is reached. */
export interface Address {
  /** A name, or an address of IPv4 or IPv6 without brackets. */
  hostname: string;
  port: number;
}
