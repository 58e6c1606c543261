/** An HTTP proxy that all webhooks go through. */
export interface WebhookProxy {
  /** A name or an address; an IPv6 address is without brackets. */
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization`, never to be logged; empty: none. */
  readonly authorization: string;
}

/** The port is written out: proxies have no port that everybody knows. */
const FORM = /^http:\/\/(?:[^/?#@]*@)?[^/?#@]+:\d{1,5}\/?$/i;

/** Reads `http://[user:password@]host:port`; undefined for anything else. */
export function parseWebhookProxy(text: string): WebhookProxy | undefined {
  if (!FORM.test(text) || !URL.canParse(text)) return undefined;
  const { hostname, port, username, password } = new URL(text);
  const [user, secret] = [decode(username), decode(password)];
  // A colon would end the user's name (RFC 7617).
  if (port === "0" || user === undefined || secret === undefined || user.includes(":")) return undefined;
  const hasCredentials = user !== "" || secret !== "";
  return Object.freeze({
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? 80 : Number(port),
    authorization: hasCredentials ? `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}` : "",
  });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
