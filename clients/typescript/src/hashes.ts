import { canonicalJson, canonicalJsonOfText, type JsonValue } from "./json.ts";
import { canonicalText } from "./text.ts";

/** SHA-256 of the UTF-8 bytes of a text, in lower-case hexadecimal. */
export async function sha256Hex(text: string): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The hash of a JSON value: SHA-256 of its canonical form. */
export async function hashJson(value: JsonValue): Promise<string> {
  return sha256Hex(canonicalJson(value));
}

/** The hash of a model's JSON output, given as text: equal outputs have equal hashes, however they are written. */
export async function hashJsonOutput(output: string): Promise<string> {
  return sha256Hex(canonicalJsonOfText(output));
}

/** The hash of a model's text output. */
export async function hashTextOutput(output: string): Promise<string> {
  return sha256Hex(canonicalText(output));
}
