/**
 * A whole conversation through the generated TypeScript client; prints what it learnt as JSON.
 *
 * usage: conversation.js APPLICATION PARAMETERS      with BWVISU_URL and BWVISU_TOKEN in the environment
 */
import { connect, type Job, type Problem, type Schemas } from "bwvisu-client";
import { setTimeout } from "node:timers/promises";

const [application, parameters] = process.argv.slice(2) as [string, string];
const client = connect(process.env["BWVISU_URL"]!, process.env["BWVISU_TOKEN"]!);

/** The job whenever it has changed, until it is finished. */
async function* watch(id: string): AsyncGenerator<Job> {
  let etag = "";
  for (;;) {
    const { data, response } = await client.GET("/api/v1/jobs/{job_id}", {
      params: { path: { job_id: id }, header: etag ? { "If-None-Match": etag } : {} },
    });
    if (data) {
      etag = response.headers.get("etag") ?? "";
      yield data;
      if (data.state === "finished") return;
    }
    await setTimeout(100);
  }
}

/** What was answered, or the problem as an error. */
function answered<T>({ data, error }: { data?: T; error?: Problem }): T {
  if (data === undefined) throw new Error(error ? `${error.type}: ${error.detail}` : "no answer");
  return data;
}

const catalogue = answered(await client.GET("/api/v1/applications"));

const start = () =>
  client.POST("/api/v1/jobs", {
    params: { header: { "Idempotency-Key": key } },
    body: { user: "alice", application, parameters: JSON.parse(parameters) },
  });
const key = crypto.randomUUID();
const created = await start();
const again = await start();
const path = { job_id: answered(created).id };

let access: Schemas["AccessView"] | undefined;
let last: Job | undefined;
const states: string[] = [];
for await (last of watch(path.job_id)) {
  states.push(last.state);
  if (last.state === "available" && !access) {
    access = answered(await client.GET("/api/v1/jobs/{job_id}/access", { params: { path } }));
    answered(await client.DELETE("/api/v1/jobs/{job_id}", { params: { path } }));
  }
}

const missing = await client.GET("/api/v1/jobs/{job_id}", {
  params: { path: { job_id: "01jd0000000000000000000000" } },
});
const wrong = await client.POST("/api/v1/jobs", { body: { user: "alice", application: "no-such" } });

console.log(
  JSON.stringify({
    applications: catalogue.items.map((each) => each.name),
    id: path.job_id,
    statuses: [created.response.status, again.response.status],
    again: answered(again).id,
    states,
    url: access?.url,
    outcome: last?.outcome,
    missing: [missing.error?.type, missing.error?.status],
    wrong: [wrong.error?.type, wrong.error?.errors?.[0]?.pointer],
  }),
);
