import { sha256Hex } from "./hashes.ts";
import { canonicalJson, type JsonValue } from "./json.ts";

/** The content of a prompt template by the names of its fields; one that says nothing may be left out. */
export type TemplateContent = { readonly [field: string]: JsonValue };

/**
 * The canonical content of a template, which LACE stores and hashes.
 *
 * A field that says nothing (an empty text or list, null, a limit of 0, no grounding) is left out, so that a field that
 * is added one day leaves the hashes of older templates as they are.
 */
export function canonicalTemplate(content: TemplateContent): string {
  const said = Object.entries(content).filter(([field, value]) => !saysNothing(field, value));
  return canonicalJson(Object.fromEntries(said.map(([field, value]) => [field, shortened(field, value)])));
}

/** `template_sha256`: SHA-256 of the canonical content. */
export async function templateSha256(content: TemplateContent): Promise<string> {
  return sha256Hex(canonicalTemplate(content));
}

function saysNothing(field: string, value: JsonValue): boolean {
  if (value === "" || value === null || (Array.isArray(value) && value.length === 0)) return true;
  return (field === "grounding" && value === "none") || (field === "max_output_tokens" && value === 0);
}

/** Variables say only what is not usual of them. */
function shortened(field: string, value: JsonValue): JsonValue {
  if (field !== "variables" || !Array.isArray(value)) return value;
  return (value as readonly JsonValue[]).map((variable) => {
    if (typeof variable !== "object" || variable === null) return variable;
    const said = Object.entries(variable).filter(([, held]) => held !== false && held !== "");
    return { type: "string", ...Object.fromEntries(said) } as JsonValue;
  });
}
