/** What labels are made of. The pattern of keys is no rule of the proto: there it costs as much as the rest of a call. */
const KEY = /^[A-Za-z0-9._/-]{1,63}$/;
const VALUE = /^.{0,255}$/su;

export function isLabelKey(text: string): boolean {
  return KEY.test(text);
}

export function isLabelValue(text: string): boolean {
  return VALUE.test(text);
}
