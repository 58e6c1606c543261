/**
 * A text of others as one line: white space is one space; control characters, those that change the direction of writing,
 * and halves of pairs are left out. What is longer than `maxLength` characters ends with `…`.
 */
export function oneLine(text: string, maxLength: number): string {
  const line = text
    .replace(/(?!\s)\p{C}/gu, "")
    .replace(/\s+/gu, " ")
    .trim();
  if (line.length <= maxLength) return line;
  const characters = [...line];
  return characters.length <= maxLength ? line : `${characters.slice(0, maxLength - 1).join("")}…`;
}
