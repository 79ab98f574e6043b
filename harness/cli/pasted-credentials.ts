import { setTimeout as pause } from 'node:timers/promises'
import type { Site } from '../backends/backend.ts'
import type { LiveKind } from '../credentials/live-kind.ts'
import type { Places, Presented } from '../credentials/parts.ts'
import { HoldfastError } from '../errors.ts'
import type { Identity } from '../pki/certificate.ts'
import { callParts } from '../shipped.ts'
import { FreshCredentials } from '../site/fresh-credentials.ts'
import { rendered } from '../site/site-files.ts'
import { holderOf, placeOf } from '../topology/holders.ts'
import type { PlanCredential } from '../topology/plan.ts'

// Of what no node has in a file, whoever stands a site up gets one of his own, to call with.

/** Where those lie that were made to be called with, by name. */
export type PastedCredentials = ReadonlyMap<string, Places>

/** How much of its life one has behind it when it is made anew: whoever pastes a call has the rest of it. */
const renewedAfter = 0.5
/** When it is tried again after that failed, in ms. */
const RETRY_MS = 5_000

/** A file could not be laid down on a node. Code `HOLDFAST_FILE_UNWRITTEN`. */
class FileUnwritten extends HoldfastError {
  constructor(node: string, path: string, why: string) {
    super('HOLDFAST_FILE_UNWRITTEN', `${node}: ${path} was not written: ${why.trim().slice(0, 400)}`)
  }
}

/** One that is kept on its node for as long as the site is held. */
interface Kept {
  readonly planned: PlanCredential
  readonly kind: LiveKind
  readonly folder: string
  presented: Presented
}

/** Those of a site, which are made anew before they end for as long as `keep` runs. */
export class CredentialsToPaste {
  readonly #site: Site
  readonly #fresh: FreshCredentials
  readonly #kept: readonly Kept[]

  private constructor(site: Site, fresh: FreshCredentials, kept: readonly Kept[]) {
    this.#site = site
    this.#fresh = fresh
    this.#kept = kept
  }

  /** Makes all that the topology accepts and no node has in a file. */
  static async make(site: Site): Promise<CredentialsToPaste> {
    const { live } = await callParts()
    const fresh = new FreshCredentials(site, live)
    const accepted = new Set(site.plan.accepts.map(({ credential }) => credential))
    const wanted = Object.values(site.plan.credentials).filter(({ name, kind }) => {
      return accepted.has(name) && live.get(kind)?.renewed !== undefined
    })
    const make = async (planned: PlanCredential): Promise<Kept> => {
      const node = site.node(holderOf(planned))
      const folder = rendered(site, node, placeOf(planned))
      return { planned, kind: live.get(planned.kind)!, folder, presented: await fresh.beside(planned.name) }
    }
    const made = new CredentialsToPaste(site, fresh, await Promise.all(wanted.map(make)))
    await Promise.all(made.#kept.map((one) => made.#lay(one)))
    return made
  }

  get names(): readonly string[] {
    return this.#kept.map(({ planned }) => planned.name)
  }

  get places(): PastedCredentials {
    return new Map(this.#kept.map(({ planned, folder }) => [planned.name, placesIn(folder)]))
  }

  /** Until the signal aborts; `onFailure` is told what could not be made anew, and that is tried again. */
  async keep(signal: AbortSignal, onFailure: (name: string, failure: Error) => void): Promise<void> {
    const one = async (kept: Kept) => {
      const everyMs = (kept.planned.lifetimeSeconds ?? 0) * 1_000 * renewedAfter
      let waitMs = everyMs
      while (await slept(waitMs, signal)) {
        waitMs = await this.#anew(kept).then(
          () => everyMs,
          (failure: Error) => {
            if (!signal.aborted) onFailure(kept.planned.name, failure)
            return RETRY_MS
          },
        )
      }
    }
    await Promise.all(this.#kept.filter(({ planned }) => planned.lifetimeSeconds !== undefined).map(one))
  }

  /** One that has ended, as after a night of the machine, is of no use to get its successor. */
  async #anew(kept: Kept): Promise<void> {
    const { planned, kind, presented } = kept
    const renewed = kind.renewed!(presented, planned, this.#fresh.at, holderOf(planned))
    kept.presented = await renewed.catch(() => this.#fresh.beside(planned.name))
    await this.#lay(kept)
  }

  async #lay({ planned, folder, presented }: Kept): Promise<void> {
    const { certPem, keyPem } = presented.certificate as Identity
    this.#fresh.at.learn(keyPem)
    const node = this.#site.node(holderOf(planned))
    const places = placesIn(folder).certificate!
    const files = { [places.key]: keyPem, [places.cert]: certPem }
    const { code, stderr } = await node.exec(['node', '-e', lay, folder], { input: JSON.stringify(files) })
    if (code !== 0) throw new FileUnwritten(node.name, folder, stderr)
  }
}

function placesIn(folder: string): Places {
  return { certificate: { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` } }
}

/** Runs on the node: whoever reads a file meanwhile finds the old one or the new one. */
const lay = `
  const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
  mkdirSync(process.argv[1], { recursive: true, mode: 0o700 })
  const files = Object.entries(JSON.parse(readFileSync(0, 'utf8')))
  for (const [path, text] of files) writeFileSync(path + '.new', text, { mode: 0o600 })
  for (const [path] of files) renameSync(path + '.new', path)`

/** Whether the time went by before the signal. */
function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  return pause(ms, true, { signal }).catch(() => false)
}
