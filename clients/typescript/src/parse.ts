import { CanonicalError } from "./errors.ts";
import type { JsonValue } from "./json.ts";
import { JsonNumber } from "./numbers.ts";

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const LITERAL = /true|false|null/y;

/** Reads a JSON text (RFC 8259) with every number as its lexeme, which JSON.parse would put through a double. */
export function parse(text: string): JsonValue {
  const reader = new Reader(text);
  const value = reader.value();
  reader.end();
  return value;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): JsonValue {
    this.#take(SPACE);
    const value = this.#value();
    this.#take(SPACE);
    return value;
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#wrong();
  }

  #value(): JsonValue {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(): JsonValue {
    // Without a prototype: a key may be called __proto__.
    const found: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
    this.#at++;
    this.#take(SPACE);
    if (this.#passed("}")) return found;
    do {
      this.#take(SPACE);
      const key = this.#string();
      this.#take(SPACE);
      if (!this.#passed(":")) throw this.#wrong();
      found[key] = this.value();
    } while (this.#passed(","));
    if (!this.#passed("}")) throw this.#wrong();
    return found;
  }

  #array(): JsonValue {
    const found: JsonValue[] = [];
    this.#at++;
    this.#take(SPACE);
    if (this.#passed("]")) return found;
    do found.push(this.value());
    while (this.#passed(","));
    if (!this.#passed("]")) throw this.#wrong();
    return found;
  }

  #string(): string {
    const found = this.#take(STRING);
    if (found === "") throw this.#wrong();
    return JSON.parse(found) as string;
  }

  #scalar(): JsonValue {
    const literal = this.#take(LITERAL);
    if (literal !== "") return literal === "null" ? null : literal === "true";
    const number = this.#take(NUMBER);
    if (number === "") throw this.#wrong();
    return new JsonNumber(number);
  }

  #passed(sign: string): boolean {
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  /** What matches here, which may be nothing. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #wrong(): CanonicalError {
    return new CanonicalError(`not JSON at position ${this.#at}`);
  }
}
