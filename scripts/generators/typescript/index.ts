/** A typed client of the bwVisu REST API: each call by its path, its arguments and answers typed. */
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Schemas = components["schemas"];
export type Job = Schemas["JobView"];
export type Problem = Schemas["Problem"];

/** `url`: where the API is, without `/api/v1`; `token`: one of `bwvisu token create`. */
export const connect = (url: string, token: string) =>
  createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });
