import { describe, expect, test } from "@jest/globals";
import { parseTimeZone } from "./time-zone-name.js";

describe("parseTimeZone", () => {
  test.each([
    ["UTC", "UTC"],
    ["utc", "UTC"],
    ["Europe/Berlin", "Europe/Berlin"],
    ["europe/berlin", "Europe/Berlin"],
    ["AMERICA/NEW_YORK", "America/New_York"],
    ["america/argentina/comodrivadavia", "America/Argentina/ComodRivadavia"],
    ["america/port-au-prince", "America/Port-au-Prince"],
    ["america/port_of_spain", "America/Port_of_Spain"],
    ["africa/dar_es_salaam", "Africa/Dar_es_Salaam"],
    ["america/knox_in", "America/Knox_IN"],
    ["antarctica/dumontdurville", "Antarctica/DumontDUrville"],
    ["australia/lhi", "Australia/LHI"],
    ["us/east-indiana", "US/East-Indiana"],
    ["gb-eire", "GB-Eire"],
    ["est5edt", "EST5EDT"],
    ["etc/gmt+5", "Etc/GMT+5"],
    ["etc/utc", "Etc/UTC"],
    // A link stays what the user wrote: they would not know its other name.
    ["Asia/Kolkata", "Asia/Kolkata"],
    ["Asia/Calcutta", "Asia/Calcutta"],
    ["Europe/Kyiv", "Europe/Kyiv"],
    ["+05:30", "+05:30"],
    ["-03:00", "-03:00"],
    ["+23:59", "+23:59"],
    ["+00:00", "+00:00"],
    ["-00:00", "+00:00"],
  ])("%s is %s", (text, expected) => {
    expect(parseTimeZone(text)).toBe(expected);
    expect(parseTimeZone(expected)).toBe(expected);
  });

  test.each(
    [
      [
        "",
        " ",
        "Z",
        "z",
        "+05",
        "+0530",
        "+5:30",
        "+24:00",
        "-05:60",
        "05:30",
        "+05:30:00",
        "−05:00",
        "UTC+1",
        "GMT+5",
      ],
      ["Europe", "Europe/", "/Europe/Berlin", "Europe//Berlin", "Europe/Nowhere", "Europe/Berlin ", "Europe/Berlin\n"],
      ["PST", "BST", "IST", "SystemV/EST5", "Etc/Unknown", "Factory", "localtime", "posix/Europe/Berlin"],
      ["2026-01-01T00:00Z[Europe/Berlin]", "__proto__", "constructor", "toString", `Europe/${"a".repeat(100)}`],
    ].flat(),
  )("%j is none", (text) => {
    expect(parseTimeZone(text)).toBeUndefined();
  });

  test("takes every zone that Node.js lists, in whatever case", () => {
    for (const id of Intl.supportedValuesOf("timeZone")) {
      expect(parseTimeZone(id)).toBe(id);
      expect(parseTimeZone(id.toLowerCase())).toBe(id);
      expect(parseTimeZone(id.toUpperCase())).toBe(id);
    }
  });
});
