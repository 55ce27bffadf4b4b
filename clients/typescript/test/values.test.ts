// What the golden files cannot hold: values of JavaScript that are no JSON text.
import assert from "node:assert/strict";
import { test } from "node:test";

import { CanonicalError, canonicalJson, canonicalJsonOfText, canonicalNumber, hashJson, JsonNumber } from "../src/index.ts";
import type { JsonValue } from "../src/index.ts";

test("one is one however it is given", () => {
  const ones: JsonValue[] = [1, 1.0, 1n, new JsonNumber("1.000000"), new JsonNumber("1E+0")];
  assert.deepEqual(new Set(ones.map(canonicalJson)), new Set(["1"]));
});

test("numbers of JavaScript are taken as they are shown", () => {
  assert.equal(canonicalJson([0.1 + 0.2, -0, 1e21, 5e-324, 2 ** 53, 1.0000005]), "[0.3,0,1000000000000000000000,0,9007199254740992,1.000001]");
});

test("what a double cannot hold is kept", () => {
  assert.equal(canonicalJson({ cents: new JsonNumber("90071992547409931.255") }), '{"cents":90071992547409931.255}');
  assert.equal(canonicalJson(2n ** 70n), "1180591620717411303424");
});

test("keys are sorted by UTF-16 code units, and none of them is special", () => {
  assert.equal(canonicalJson({ b: 1, a: [true, null], B: "x" }), '{"B":"x","a":[true,null],"b":1}');
  assert.equal(canonicalJsonOfText('{"__proto__":{"x":1},"a":2}'), '{"__proto__":{"x":1},"a":2}');
  assert.equal(canonicalJsonOfText('{"a":1,"a":2}'), '{"a":2}');
});

for (const [name, value] of Object.entries({
  "not a number": NaN,
  infinity: [Infinity],
  undefined: undefined,
  "undefined in an object": { a: undefined },
  "a hole in an array": [1, , 2],
  "a function": () => 1,
  "a symbol": Symbol("a"),
  "a date": new Date(0),
  "a map": new Map([["a", 1]]),
  "a lone surrogate": "a\ud800",
  "a lone surrogate in a key": { "\udc00": 1 },
})) {
  test(`refused: ${name}`, () => {
    assert.throws(() => canonicalJson(value as JsonValue), CanonicalError);
  });
}

for (const text of ["", " ", "{", "[1,]", '{"a":1,}', "{a:1}", "'a'", "1 2", "+1", ".5", "1.", "0x1", '"\t"', '"\\x"', "\ufeff1", "tru"]) {
  test(`no JSON: ${JSON.stringify(text)}`, () => {
    assert.throws(() => canonicalJsonOfText(text), CanonicalError);
  });
}

test("numbers that are no JSON", () => {
  for (const lexeme of ["", "01", "1e", "NaN", "Infinity", "1_000", " 1", "--1"]) {
    assert.throws(() => canonicalNumber(lexeme), CanonicalError);
    assert.throws(() => new JsonNumber(lexeme), CanonicalError);
  }
});

test("nesting is written or refused, and never overflows", () => {
  assert.equal(canonicalJsonOfText("[".repeat(100) + "]".repeat(100)).length, 200);
  assert.throws(() => canonicalJsonOfText("[".repeat(1_000_000)), CanonicalError);
});

test("a second pass changes nothing", async () => {
  const text = '{"z":[1.5,-2e3,"\\u00e9\\n"],"a":{"\\ud83d\\ude00":null}}';
  const once = canonicalJsonOfText(text);
  assert.equal(canonicalJsonOfText(once), once);
  assert.equal(await hashJson(JSON.parse(text) as JsonValue), await hashJson(JSON.parse(once) as JsonValue));
});
