import { CanonicalError } from "./errors.ts";

const LEXEME = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]{1,18}))?$/;
const FRACTIONAL_DIGITS = 6;
/** More than any binary double has before the point. */
const MOST_DIGITS = 400;
const SHOWN = 40;

/**
 * A number by its decimal lexeme, for what a double cannot hold: money, long fractions, large integers.
 *
 * Two of them with the same value have the same canonical form, however they are written.
 */
export class JsonNumber {
  readonly lexeme: string;

  /** Throws a {@link CanonicalError} for what is no JSON number. */
  constructor(lexeme: string) {
    canonicalNumber(lexeme);
    this.lexeme = lexeme;
  }

  /** The canonical form. */
  toString(): string {
    return canonicalNumber(this.lexeme);
  }
}

/**
 * The canonical form of a number given by its decimal lexeme: rounded as a decimal, half away from zero, to six
 * fractional digits; no exponent, no trailing zeros, no minus zero.
 *
 * Throws a {@link CanonicalError} for NaN, infinities, what is no JSON number, and numbers of more than 400 digits
 * before the point.
 */
export function canonicalNumber(lexeme: string): string {
  const match = LEXEME.exec(lexeme);
  if (match === null) throw new CanonicalError(`not a finite number: ${lexeme.slice(0, SHOWN)}`);
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  // The value is 0.DIGITS · 10^point, with no zero before the first digit.
  const written = whole + fraction;
  const digits = written.replace(/^0+/, "");
  if (digits === "") return "0";
  const point = BigInt(whole.length - (written.length - digits.length)) + BigInt(exponent);
  if (point < -6n) return "0";
  if (point > BigInt(MOST_DIGITS)) throw new CanonicalError(`too large a number: ${lexeme.slice(0, SHOWN)}`);
  return withSign(sign, rounded(digits, Number(point)));
}

/** Rounds to units of 10^-6: integers of any length, so that nothing is lost on the way. */
function rounded(digits: string, point: number): string {
  const kept = point + FRACTIONAL_DIGITS;
  const units = BigInt(`0${digits.slice(0, Math.max(kept, 0)).padEnd(Math.max(kept, 0), "0")}`);
  const next = kept < 0 ? "0" : (digits[kept] ?? "0");
  const text = (next >= "5" ? units + 1n : units).toString().padStart(FRACTIONAL_DIGITS + 1, "0");
  const fraction = text.slice(-FRACTIONAL_DIGITS).replace(/0+$/, "");
  const whole = text.slice(0, -FRACTIONAL_DIGITS);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

function withSign(sign: string, text: string): string {
  return text === "0" ? text : sign + text;
}
