// Every entry of the golden files whose list is known here; tests/golden/canonical/README.md says what they hold.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import {
  CanonicalError,
  canonicalJsonOfText,
  canonicalTemplate,
  canonicalText,
  hashJsonOutput,
  hashTextOutput,
  nfcLength,
  sha256Hex,
  templateSha256,
  type TemplateContent,
} from "../src/index.ts";

interface Entry {
  name: string;
  json: string;
  text: string;
  canonical: string;
  sha256?: string;
  nfc_length: number;
  outputs: string[];
  content: TemplateContent;
}

const FOLDER = new URL("../../../tests/golden/canonical/", import.meta.url);
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as Record<string, Entry[]>);

function each(list: string, least: number, check: (entry: Entry) => void | Promise<void>): void {
  const entries = FILES.flatMap((file) => file[list] ?? []);
  test(`there are ${list}`, () => assert.ok(entries.length >= least));
  for (const entry of entries) test(`${list}: ${entry.name}`, () => check(entry));
}

each("vectors", 30, async ({ json, canonical, sha256 }) => {
  assert.equal(canonicalJsonOfText(json), canonical);
  assert.equal(await sha256Hex(canonical), sha256);
});

each("refused", 10, ({ json }) => {
  assert.throws(() => canonicalJsonOfText(json), CanonicalError);
});

each("texts", 15, async ({ text, canonical, sha256 }) => {
  assert.equal(canonicalText(text), canonical);
  if (sha256 !== undefined) assert.equal(await hashTextOutput(text), sha256);
});

each("lengths", 20, ({ text, nfc_length }) => {
  assert.equal(nfcLength(text), nfc_length);
});

each("alike", 6, async ({ outputs, canonical, sha256 }) => {
  for (const output of outputs) {
    assert.equal(canonicalJsonOfText(output), canonical);
    assert.equal(await hashJsonOutput(output), sha256);
  }
});

each("different", 8, async ({ outputs }) => {
  const hashes = await Promise.all(outputs.map(hashJsonOutput));
  assert.equal(new Set(hashes).size, outputs.length);
});

each("templates", 3, async ({ content, canonical, sha256 }) => {
  assert.equal(canonicalTemplate(content), canonical);
  assert.equal(await templateSha256(content), sha256);
});
