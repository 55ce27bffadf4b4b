// What Python's str.rstrip takes for white space, which differs from \s in a few characters.
const SPACE_AT_END = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;

/** The canonical form of a text: NFC, CRLF and CR as LF, white space at the end of each line and of the text stripped. */
export function canonicalText(text: string): string {
  const lines = text.normalize("NFC").replaceAll("\r\n", "\n").replaceAll("\r", "\n").split("\n");
  const stripped = lines.map((line) => line.replace(SPACE_AT_END, ""));
  let end = stripped.length;
  while (end > 0 && stripped[end - 1] === "") end--;
  return stripped.slice(0, end).join("\n");
}

/** The number of Unicode code points of the text's NFC form: what the limits of texts are counted in. */
export function nfcLength(text: string): number {
  return [...text.normalize("NFC")].length;
}
