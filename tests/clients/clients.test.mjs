// The JavaScript SDK v3 and a library on it, over TLS.

import assert from "node:assert/strict";
import { test } from "node:test";

import middy from "@middy/core";
import middySsm from "@middy/ssm";
import {
  DeleteParametersCommand,
  GetParameterCommand,
  GetParametersCommand,
  ParameterNotFound,
  PutParameterCommand,
  SSMClient,
  SendCommandCommand,
  paginateDescribeParameters,
  paginateGetParametersByPath,
  waitUntilCommandExecuted,
} from "@aws-sdk/client-ssm";

const ssm = new SSMClient({});
const node = process.env.FLEETWRIGHT_NODE;

test("parameters are put, read by path, and deleted", async () => {
  const names = [...Array(12).keys()].map((n) => `/js/path/${String(n).padStart(2, "0")}`);
  for (const Name of names) {
    const put = await ssm.send(new PutParameterCommand({ Name, Value: Name, Type: "String" }));
    assert.equal(put.Version, 1);
    assert.equal(put.Tier, "Standard");
  }
  const seen = [];
  for await (const page of paginateGetParametersByPath({ client: ssm, pageSize: 5 }, { Path: "/js/path" })) {
    seen.push(...page.Parameters.map((parameter) => parameter.Name));
  }
  assert.deepEqual(seen, names);
  const { Parameter } = await ssm.send(new GetParameterCommand({ Name: names[0] }));
  assert.ok(Parameter.LastModifiedDate instanceof Date);
  assert.ok(Math.abs(Parameter.LastModifiedDate - Date.now()) < 300_000);
  assert.match(Parameter.ARN, /^arn:aws:ssm:eu-central-1:123456789012:parameter\/js\/path\/00$/);
  const found = [];
  const filters = { ParameterFilters: [{ Key: "Name", Option: "BeginsWith", Values: ["/js/path"] }] };
  for await (const page of paginateDescribeParameters({ client: ssm, pageSize: 7 }, filters)) {
    found.push(...page.Parameters.map((parameter) => parameter.Name));
  }
  assert.deepEqual(found, names);
  await ssm.send(new DeleteParametersCommand({ Names: names.slice(0, 10) }));
  await ssm.send(new DeleteParametersCommand({ Names: names.slice(10) }));
});

test("a secret is sealed unless it is asked for", async () => {
  await ssm.send(new PutParameterCommand({ Name: "/js/secret", Value: "hush", Type: "SecureString" }));
  const sealed = await ssm.send(new GetParameterCommand({ Name: "/js/secret" }));
  assert.notEqual(sealed.Parameter.Value, "hush");
  const many = await ssm.send(new GetParametersCommand({ Names: ["/js/secret", "/js/none"], WithDecryption: true }));
  assert.equal(many.Parameters[0].Value, "hush");
  assert.deepEqual(many.InvalidParameters, ["/js/none"]);
  await ssm.send(new DeleteParametersCommand({ Names: ["/js/secret"] }));
});

test("errors have their classes", async () => {
  await assert.rejects(ssm.send(new GetParameterCommand({ Name: "/js/none" })), (error) => {
    assert.ok(error instanceof ParameterNotFound);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.ok(error.$metadata.requestId);
    return true;
  });
  const thief = new SSMClient({ credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "x" } });
  await assert.rejects(thief.send(new GetParameterCommand({ Name: "/js/none" })), { name: "InvalidSignatureException" });
});

test("a command runs until its waiter is content", async () => {
  const sent = await ssm.send(
    new SendCommandCommand({
      InstanceIds: [node],
      DocumentName: "AWS-RunShellScript",
      Parameters: { commands: ["echo from JavaScript"] },
    }),
  );
  const where = { CommandId: sent.Command.CommandId, InstanceId: node };
  const waited = await waitUntilCommandExecuted({ client: ssm, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, where);
  assert.equal(waited.reason.StandardOutputContent, "from JavaScript\n");
});

test("middy puts parameters into the context of a handler", async () => {
  await ssm.send(new PutParameterCommand({ Name: "/js/middy", Value: "for middy", Type: "String" }));
  const handler = middy(async (_event, context) => context.wanted).use(
    middySsm({ fetchData: { wanted: "/js/middy" }, setToContext: true, disablePrefetch: true, cacheExpiry: 0 }),
  );
  assert.equal(await handler({}, { getRemainingTimeInMillis: () => 10_000 }), "for middy");
  await ssm.send(new DeleteParametersCommand({ Names: ["/js/middy"] }));
});
