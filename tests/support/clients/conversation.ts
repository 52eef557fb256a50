/**
 * A whole conversation through the generated TypeScript client; prints what it learnt as JSON.
 *
 * usage: conversation.js APPLICATION PARAMETERS      with BWVISU_URL and BWVISU_TOKEN in the environment
 */
import { connect, type Job, type Problem, type Schemas } from "bwvisu-client";
import { EventSourceParserStream } from "eventsource-parser/stream";

const [application, parameters] = process.argv.slice(2) as [string, string];
const client = connect(process.env["BWVISU_URL"]!, process.env["BWVISU_TOKEN"]!);

/** The job whenever it has changed, until it is finished: its event stream, resumed as often as it ends. */
async function* watch(id: string): AsyncGenerator<Job> {
  let last = "";
  for (;;) {
    const { data } = await client.GET("/api/v1/jobs/{job_id}/events", {
      params: { path: { job_id: id }, header: last ? { "Last-Event-ID": last } : {} },
      parseAs: "stream",
    });
    const events = data!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const { id, event, data } of events) {
      last = id ?? last;
      const jobs: Job[] = event === "snapshot" ? JSON.parse(data).jobs : event === "job" ? [JSON.parse(data)] : [];
      for (const job of jobs) {
        yield job;
        if (job.state === "finished") return;
      }
    }
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
