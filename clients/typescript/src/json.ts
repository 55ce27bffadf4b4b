import { CanonicalError } from "./errors.ts";
import { JsonNumber, canonicalNumber } from "./numbers.ts";
import { parse } from "./parse.ts";

/** A JSON value. Numbers may be bigints, or {@link JsonNumber}s where a double would lose digits. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | JsonNumber
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * The canonical form of a JSON value: RFC 8785, with numbers as {@link canonicalNumber} writes them.
 *
 * Throws a {@link CanonicalError} for NaN, infinities, lone surrogates, undefined, and what JSON does not have.
 */
export function canonicalJson(value: JsonValue): string {
  return guarded(() => {
    const pieces: string[] = [];
    write(value, pieces);
    return pieces.join("");
  });
}

/**
 * The canonical form of a JSON text; numbers are taken from their lexemes and never through a double.
 *
 * Throws a {@link CanonicalError} for what is no JSON and what has no canonical form. Of a key that comes twice the
 * last value counts.
 */
export function canonicalJsonOfText(text: string): string {
  return guarded(() => canonicalJson(parse(text)));
}

/** How deep a value may be nested is the engine's to say: what is too deep for it is refused like all else. */
function guarded(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw new CanonicalError("nested too deeply");
    throw error;
  }
}

function write(value: unknown, out: string[]): void {
  if (value === null || typeof value === "boolean") out.push(String(value));
  else if (typeof value === "string") out.push(quoted(value));
  else if (typeof value === "number" || typeof value === "bigint") out.push(canonicalNumber(String(value)));
  else if (value instanceof JsonNumber) out.push(value.toString());
  else if (Array.isArray(value)) writeArray(value, out);
  else if (isPlain(value)) writeObject(value, out);
  else throw new CanonicalError(`JSON has no ${value === undefined ? "undefined" : typeof value}`);
}

function writeArray(value: readonly unknown[], out: string[]): void {
  out.push("[");
  // By index: a hole in an array is undefined, and is refused like it.
  for (let index = 0; index < value.length; index++) {
    if (index > 0) out.push(",");
    write(value[index], out);
  }
  out.push("]");
}

function writeObject(value: Readonly<Record<string, unknown>>, out: string[]): void {
  out.push("{");
  // Strings compare by their UTF-16 code units, which is the order that RFC 8785 asks for.
  const keys = Object.keys(value).sort((one, other) => (one < other ? -1 : 1));
  keys.forEach((key, index) => {
    out.push(index > 0 ? "," : "", quoted(key), ":");
    write(value[key], out);
  });
  out.push("}");
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** JSON.stringify writes strings as RFC 8785 wants them, but for lone surrogates, which have no UTF-8. */
function quoted(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new CanonicalError("a lone surrogate has no canonical form");
  return JSON.stringify(text);
}
