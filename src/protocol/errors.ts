/** What is wrong with a request. Each dialect has its own word or number for it. */
export type ErrorKind =
  | "unknown command"
  | "unknown statistics"
  | "bad request"
  | "too large"
  /** The client has not authenticated, or not as an account. */
  | "unauthenticated"
  /** The client's account has not the right. */
  | "not allowed"
  /** Nothing is wrong with the request: the server could not do it. */
  | "failure";

export const BAD_FORMAT = "bad command line format";
export const BAD_CHUNK = "bad data chunk";
export const TOO_LONG = "line too long";
export const TOO_LARGE = "object too large for cache";
export const NO_ROOM = "out of memory storing object";
export const NO_ROOM_FOR_LINE = "out of memory reading request";
export const SLASH = "a slash has no place in the name here, it begins the options of a get";
export const ONE_WAIT =
  "with several queues all of them have t=, with the same time, up to 16, and then none has or=";
export const BAD_PAUSE = "a pause is a number of seconds from 0 to 2147483647, 0 is until resume";
export const ONE_ALL = "option all is allowed with a single key only";
export const NO_DELAY = "a delay other than 0 is not possible";
export const UNAUTHENTICATED = "unauthenticated";
export const AUTHENTICATION_FAILED = "authentication failure";
export const NOT_ALLOWED = "not allowed";
