import { text } from 'node:stream/consumers'

/** A parameter of the run: an integer, as the schema of the pipeline has it. */
export function integerParam(name: string): number {
  const value = Number(process.env[`HOLDFAST_PARAM_${name}`])
  if (!Number.isSafeInteger(value)) throw new Error(`HOLDFAST_PARAM_${name} is no integer`)
  return value
}

/** What a stage that this one needs put out. */
export async function outputOf<Output>(stage: string): Promise<Output> {
  const outputs = JSON.parse(await text(process.stdin)) as Record<string, Output | undefined>
  const output = outputs[stage]
  if (output === undefined) throw new Error(`the output of ${stage} is missing`)
  return output
}

export function putOut(output: unknown): void {
  process.stdout.write(JSON.stringify(output))
}
