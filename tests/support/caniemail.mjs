// caniemail's own linter over files: node caniemail.mjs PACKAGE FILE... prints {file: {feature: [programs]}} as JSON.
// Each program by itself, since the package refuses a program that was never tested for one of the features.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const PROGRAMS = [
  "apple-mail.ios", "apple-mail.macos", "gmail.android", "gmail.desktop-webmail", "gmail.ios", "gmail.mobile-webmail",
  "outlook.android", "outlook.ios", "outlook.macos", "outlook.outlook-com", "outlook.windows",
  "samsung-email.android", "yahoo.android", "yahoo.desktop-webmail", "yahoo.ios",
];
const [folder, ...files] = process.argv.slice(2);
const { caniemail } = await import(pathToFileURL(`${folder}/dist/index.js`));
const found = {};
for (const file of files) {
  const html = readFileSync(file, "utf8");
  found[file] = {};
  for (const program of PROGRAMS) {
    const { issues } = caniemail({ clients: [program], html });
    for (const issue of [...issues.errors.values()].flat()) (found[file][issue.title] ??= []).push(program);
  }
}
console.log(JSON.stringify(found));
