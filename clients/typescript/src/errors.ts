/** What has no canonical form, or is no JSON. */
export class CanonicalError extends Error {
  override readonly name = "CanonicalError";
}
