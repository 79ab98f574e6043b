import { settings } from '../settings.ts'
import type { LaunchOptions } from './backend.ts'

/** Folder of the services that are one file each. What is loaded into a program from outside looks for the modules of its service. */
export function bundledServices(
  { env = {} }: Pick<LaunchOptions, 'env'>,
  { services } = settings(),
): string | undefined {
  return Object.values(env).some(({ NODE_OPTIONS }) => NODE_OPTIONS !== undefined) ? undefined : services
}
