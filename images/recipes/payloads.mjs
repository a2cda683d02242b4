export function buildPayloads() { return []; }
