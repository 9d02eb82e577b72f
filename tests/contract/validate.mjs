// Reads the AsyncAPI document with the AsyncAPI project's own parser; says what is in it, or what is wrong with it.
//
//   node validate.mjs ASYNCAPI.json [RECORDS.jsonl]
//
// RECORDS.jsonl: records as they lie in topics, a line each: {"topic", "key", "headers": {...}, "value": {...}}. Each must
// be a message of its channel, by the headers and the payload that the document gives.
import { readFileSync } from 'node:fs';
import { fromFile, Parser } from '@asyncapi/parser';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const [path, recordsPath] = process.argv.slice(2);
if (!path) {
  console.error('usage: node validate.mjs ASYNCAPI.json [RECORDS.jsonl]');
  process.exit(2);
}
let failed = false;
function wrong(text) {
  failed = true;
  console.error(text);
}

const { document, diagnostics } = await fromFile(new Parser(), path).parse();
// What the project's style guide would like to have in a document is no fault in it.
const asked = new Set(['asyncapi-info-contact', 'asyncapi-tags', 'asyncapi-id', 'asyncapi-latest-version']);
for (const found of diagnostics) {
  if (found.severity <= 1 && !asked.has(found.code)) {
    wrong(`${found.code} at /${found.path.join('/')}: ${found.message}`);
  }
}
if (!document) {
  wrong(`${path}: no AsyncAPI document`);
  process.exit(1);
}

// Formats and patterns count; marks of our own (x-...) are no keywords.
const ajv = new Ajv({ strict: false, validateFormats: true, allErrors: true, addUsedSchema: false });
addFormats(ajv);
for (const bits of [8, 16, 32]) {
  ajv.addFormat(`uint${bits}`, { type: 'number', validate: (number) => number >= 0 && number < 2 ** bits });
}
const channels = new Map();
let messages = 0;
for (const channel of document.channels().all()) {
  const checks = channel.messages().all().map((message) => {
    messages += 1;
    return {
      name: message.name(),
      payload: ajv.compile(message.payload().json()),
      headers: ajv.compile(message.headers()?.json() ?? {}),
    };
  });
  channels.set(channel.address(), checks);
}
const operations = document.operations().all();
for (const operation of operations) {
  if (operation.channels().isEmpty() || operation.messages().isEmpty()) {
    wrong(`${operation.id()}: no channel or no message`);
  }
}
console.log(
  `AsyncAPI ${document.version()}: ${channels.size} channels, ${operations.length} operations, ${messages} messages`,
);

if (recordsPath) {
  const counts = new Map();
  for (const line of readFileSync(recordsPath, 'utf8').split('\n').filter(Boolean)) {
    const record = JSON.parse(line);
    const checks = channels.get(record.topic) ?? [];
    const fits = checks.filter((check) => check.payload(record.value) && check.headers(record.headers));
    if (fits.length === 0) {
      const tried = checks.filter((check) => checks.length === 1 || check.name === record.value?.type);
      const why = tried.map((check) => {
        check.payload(record.value);
        check.headers(record.headers);
        return ajv.errorsText([...(check.payload.errors ?? []), ...(check.headers.errors ?? [])]);
      });
      wrong(`${record.topic}: no message of this channel: ${why.join('; ')}\n  ${line.slice(0, 2000)}`);
    }
    for (const { name } of fits) {
      const kind = `${record.topic} ${name}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
  }
  for (const [kind, count] of [...counts].sort()) {
    console.log(`${count} ${kind}`);
  }
}
process.exit(failed ? 1 : 0);
