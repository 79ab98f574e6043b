/**
 * The hosts of a run, in the form of /etc/hosts. Node programs read it by `hosts-preload.mjs`, Go programs by the toolchain's
 * overlay: a name in it has that address, a name beside it (`other.lab.test` where it has `a.lab.test`) is not found, and any
 * other name is looked up as ever. Write it aside and rename it: it is read at each look.
 */
export function hostsText(hosts: Readonly<Record<string, string>>): string {
  return Object.entries(hosts)
    .map(([host, address]) => `${address} ${host}\n`)
    .join('')
}
