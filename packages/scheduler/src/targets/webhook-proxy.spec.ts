import { parseWebhookProxy } from "./webhook-proxy.js";

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

describe("a proxy's URL", () => {
  it.each([
    ["http://proxy:3128", { host: "proxy", port: 3128, authorization: "" }],
    ["http://proxy.example:80/", { host: "proxy.example", port: 80, authorization: "" }],
    ["HTTP://[fd00::1]:8080", { host: "fd00::1", port: 8080, authorization: "" }],
    ["http://user:word@10.0.0.1:3128", { host: "10.0.0.1", port: 3128, authorization: basic("user:word") }],
    ["http://user@proxy:3128", { host: "proxy", port: 3128, authorization: basic("user:") }],
    ["http://u%40x:p%40ss%3A%2F%C3%A9@proxy:1", { host: "proxy", port: 1, authorization: basic("u@x:p@ss:/é") }],
  ])("is read: %s", (text, proxy) => {
    expect(parseWebhookProxy(text)).toEqual(proxy);
  });

  it.each([
    "",
    "proxy:3128",
    "http://proxy",
    "http://proxy:0",
    "http://proxy:65536",
    "https://proxy:3128",
    "socks5://proxy:1080",
    "http://proxy:3128/path",
    "http://proxy:3128?x=1",
    "http://proxy:3128#x",
    "http://:3128",
    "http://user:p@ss@proxy:3128",
    "http://user:p/ss@proxy:3128",
    "http://user:100%@proxy:3128",
    "http://us%3Aer:word@proxy:3128",
    "http://a,http://b:3128",
    "http://proxy:3128,http://other:3128",
  ])("is refused: %s", (text) => {
    expect(parseWebhookProxy(text)).toBeUndefined();
  });
});
