export { CanonicalError } from "./errors.ts";
export { hashJson, hashJsonOutput, hashTextOutput, sha256Hex } from "./hashes.ts";
export { canonicalJson, canonicalJsonOfText, type JsonValue } from "./json.ts";
export { canonicalNumber, JsonNumber } from "./numbers.ts";
export { canonicalTemplate, templateSha256, type TemplateContent } from "./templates.ts";
export { canonicalText, nfcLength } from "./text.ts";
