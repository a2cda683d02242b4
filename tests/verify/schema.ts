// As much of JSON Schema 2020-12 as schema/verify.schema.json uses. What it does not know fails,
// so that the schema cannot outgrow it.

type Schema = Readonly<Record<string, unknown>>;

const SILENT = new Set(["$schema", "$id", "$defs", "title", "description"]);

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (value === null) return "null";
  return Number.isInteger(value) ? "integer" : typeof value;
}

function checkObject(root: Schema, schema: Schema, value: object, at: string): string[] {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const required = (schema.required ?? []) as string[];
  const missing = required.filter((name) => !(name in value)).map((name) => `${at}: no ${name}`);
  const found = Object.entries(value).flatMap(([name, part]) => {
    const known = properties[name];
    if (known) return validate(root, known, part, `${at}.${name}`);
    return schema.additionalProperties === false ? [`${at}: ${name} is not known`] : [];
  });
  return [...missing, ...found];
}

/** What is wrong with a value. */
export function validate(root: Schema, schema: Schema, value: unknown, at = "$"): string[] {
  const wrong: string[] = [];
  const demand = (holds: boolean, what: string): void => {
    if (!holds) wrong.push(`${at}: ${JSON.stringify(value)?.slice(0, 60)} is not ${what}`);
  };
  for (const [keyword, want] of Object.entries(schema)) {
    if (SILENT.has(keyword)) continue;
    if (keyword === "$ref") {
      const name = String(want).replace("#/$defs/", "");
      const target = (root.$defs as Record<string, Schema>)[name];
      if (!target) throw new Error(`no definition ${name}`);
      wrong.push(...validate(root, target, value, at));
    } else if (keyword === "type") demand(typeOf(value) === want, String(want));
    else if (keyword === "enum") demand((want as unknown[]).includes(value), `${want}`);
    else if (keyword === "pattern") demand(new RegExp(String(want)).test(String(value)), `${want}`);
    else if (keyword === "minimum") demand(Number(value) >= Number(want), `>= ${want}`);
    else if (keyword === "maximum") demand(Number(value) <= Number(want), `<= ${want}`);
    else if (keyword === "items") {
      for (const [i, item] of (value as unknown[]).entries()) {
        wrong.push(...validate(root, want as Schema, item, `${at}[${i}]`));
      }
    } else if (keyword === "properties")
      wrong.push(...checkObject(root, schema, value as object, at));
    else if (keyword !== "required" && keyword !== "additionalProperties") {
      throw new Error(`the schema uses ${keyword}`);
    }
  }
  return wrong;
}
