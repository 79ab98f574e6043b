/**
 * All that a program under test finds in its environment, whatever this process has in its own. What Node has compiled of a program
 * once it need not compile again: half of what a start takes.
 */
export const bareEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/bin:/bin',
  ...(process.env.NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
}
