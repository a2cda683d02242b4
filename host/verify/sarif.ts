// Rows of verify as SARIF 2.1.0 (OASIS), which CI systems show beside the files they are about. A
// verdict other than `ok` is a result of its own; every finding is one.

import type { Severity, VerifyRow } from "./row.js";

interface Rule {
  readonly id: string;
  readonly shortDescription: { readonly text: string };
}

interface Result {
  readonly ruleId: string;
  readonly ruleIndex: number;
  readonly level: Severity;
  readonly message: { readonly text: string };
  readonly locations: readonly object[];
  readonly properties: object;
}

/** A path as a URI reference. */
function uri(file: string): string {
  return file.split("/").map(encodeURIComponent).join("/");
}

function locations(row: VerifyRow, place: string): object[] {
  const physicalLocation = { artifactLocation: { uri: uri(row.file) } };
  const logical = place === "" ? {} : { logicalLocations: [{ fullyQualifiedName: place }] };
  return [{ physicalLocation, ...logical }];
}

const sentence = (parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== "").join(" ");

/** @param version of this program */
export function toSarif(rows: readonly VerifyRow[], version: string): object {
  const rules: Rule[] = [];
  const indexOf = new Map<string, number>();
  const ruleIndex = (id: string, text: string): number => {
    const known = indexOf.get(id);
    if (known !== undefined) return known;
    indexOf.set(id, rules.length);
    rules.push({ id, shortDescription: { text } });
    return rules.length - 1;
  };
  const results = rows.flatMap((row): Result[] => {
    const { image, findings, verdict, step, code, errno } = row;
    const found = findings.map(({ id, severity, place, message, hint }) => ({
      ruleId: id,
      ruleIndex: ruleIndex(id, message),
      level: severity,
      message: { text: sentence([message, hint]) },
      locations: locations(row, place),
      properties: { ...(image ? { image } : {}) },
    }));
    if (verdict === "ok" || (verdict === "danger" && code === 0)) return found;
    const ruleId = row.reason ?? verdict;
    const decided: Result = {
      ruleId,
      ruleIndex: ruleIndex(ruleId, row.message ?? verdict),
      level: "error",
      message: { text: sentence([row.message ?? verdict, row.hint]) },
      locations: locations(row, ""),
      properties: { verdict, step, code, errno, ...(image ? { image } : {}) },
    };
    return [decided, ...found];
  });
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{ tool: { driver: { name: "xen-xsplice", version, rules } }, results }],
  };
}
