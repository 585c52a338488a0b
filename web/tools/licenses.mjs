// Writes dist/licenses.txt: the licence texts of every package that the lockfile calls a run-time dependency.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const web = new URL("../", import.meta.url);
const lock = JSON.parse(readFileSync(new URL("package-lock.json", web), "utf8"));
const parts = ["The page of nextn contains these libraries, each under its own licence.\n"];

for (const [path, entry] of Object.entries(lock.packages).sort()) {
  if (path === "" || entry.dev || entry.optional) continue; // optional: types only
  const folder = new URL(`${path}/`, web);
  const files = readdirSync(folder).filter((name) => /^(licen[sc]e|copying|notice)/i.test(name)).sort();
  if (files.length === 0) throw new Error(`${path} has no licence file`);
  parts.push(`${"=".repeat(78)}\n${path.replace("node_modules/", "")} ${entry.version} (${entry.license})\n${"=".repeat(78)}\n`);
  for (const file of files) parts.push(readFileSync(new URL(file, folder), "utf8").replace(/\r\n/g, "\n").trim() + "\n");
}
writeFileSync(new URL("dist/licenses.txt", web), parts.join("\n"));
