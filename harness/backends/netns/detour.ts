import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { HoldfastError } from '../../errors.ts'
import { programEnvironment } from '../../settings.ts'
import { triedOnce } from '../../toolchain/tried.ts'
import type { Impairment } from '../backend.ts'
import { hardwareAddressOf, type Network, type Way, wayKey } from './addresses.ts'
import { entering, type Machine } from './machine.ts'
import type { Namespaces } from './namespaces.ts'

/** Leads frames on a way of their own, on which they are late, or lost. */
export interface Detour {
  /** The hardware addresses that the frames of these ways must be sent to, in the same order. */
  impair(ways: readonly Way[], how: Required<Impairment>): Promise<string[]>
}

/**
 * A relay of frames (packet(7)) on one port of a switch. It is told on its standard input, a line each, what to do with frames for an address: `ADDRESS TO
 * FROM DELAY-MS LOSS SEED`; they go on to TO, as from FROM. It answers each line, and ends with its input.
 *
 * The head before each frame (virtio_net_hdr) says what of checksums and segments the sender left to its card: passed on with the frame,
 * it stays true.
 */
const relay = `
use strict; use warnings; use Socket; use IO::Select; use Time::HiRes qw(time); use POSIX ();
my ($interface) = @ARGV;
my ($AF_PACKET, $SOL_PACKET, $VNET_HDR, $IGNORE_OUTGOING, $SIOCGIFINDEX, $ALL) = (17, 263, 15, 23, 0x8933, pack("n", 3));
my ($HEAD, $MOST_HELD) = (10, 4_000);
socket(my $frames, $AF_PACKET, SOCK_RAW, unpack("S", $ALL)) or die "socket: $!\\n";
setsockopt($frames, $SOL_PACKET, $VNET_HDR, pack("i", 1)) or die "vnet_hdr: $!\\n";
setsockopt($frames, $SOL_PACKET, $IGNORE_OUTGOING, pack("i", 1));
my $asked = pack("a16 x24", $interface);
ioctl($frames, $SIOCGIFINDEX, $asked) or die "$interface: $!\\n";
bind($frames, pack("S a2 i S C C a8", $AF_PACKET, $ALL, unpack("x16 i", $asked), 0, 0, 0, "")) or die "bind: $!\\n";
my (%ways, @held);
my ($select, $rest) = (IO::Select->new($frames, \\*STDIN), "");
sub address { pack("H12", $_[0] =~ tr/://dr) }
# The generator of glibc's drand48, so that the same seed loses the same frames everywhere.
sub lost { my $way = shift; use integer; $way->{state} = ($way->{state} * 0x5DEECE66D + 11) & 0xFFFFFFFFFFFF; no integer; $way->{state} / 2 ** 48 < $way->{loss} }
$| = 1;
while (1) {
  my $wait = @held ? $held[0][0] - time : undef;
  for my $ready ($select->can_read(defined $wait && $wait < 0 ? 0 : $wait)) {
    if ($ready == $frames) {
      defined sysread($frames, my $frame, 70_000) or next;
      my $way = $ways{substr($frame, $HEAD, 6)} or next;
      next if lost($way) || @held >= $MOST_HELD;
      substr($frame, $HEAD, 12) = $way->{to} . $way->{from};
      my $due = time + $way->{delay};
      my $at = @held;
      $at-- while $at > 0 && $held[$at - 1][0] > $due;
      splice @held, $at, 0, [$due, $frame];
    } else {
      sysread(STDIN, $rest, 4096, length $rest) or exit 0;
      while ($rest =~ s/^(.*)\\n//) {
        my ($address, $to, $from, $delay, $loss, $seed) = split / /, $1;
        $ways{address($address)} = { to => address($to), from => address($from), delay => $delay / 1000, loss => $loss, state => $seed << 16 | 0x330E };
        print "done\\n";
      }
    }
  }
  syswrite($frames, (shift @held)->[1]) while @held && $held[0][0] <= time;
}`

/** Why no relay runs here, and what to type: all Perls are called so, and many have but some of its modules. Tried once. */
export function relayMissing({ perl }: Pick<Machine, 'perl'>): string | undefined {
  const install = 'Debian: apt-get install perl'
  if (perl === undefined) return `perl is missing; ${install}`
  if (compiles(perl)) return undefined
  return `${perl} cannot load Socket, IO::Select, POSIX and Time::HiRes; ${install}`
}

const compiles = triedOnce('relay', (perl) => {
  return spawnSync(perl, ['-c', '-e', relay], { stdio: 'ignore', timeout: 5_000 }).status === 0
})

interface Relay {
  tell(lines: readonly string[]): Promise<void>
}

/** Starts a relay for each network in which something is impaired, with the first time. They end with the switch, or with this process. */
export function detourOf(
  machine: Machine,
  run: string,
  { switchHolder, ip }: Pick<Namespaces, 'switchHolder' | 'ip'>,
): Detour {
  const relays = new Map<Network, Promise<Relay>>()
  const addresses = new Map<string, string>()
  const relayIn = (network: Network): Promise<Relay> => {
    const known = relays.get(network) ?? startRelay(machine, run, { switchHolder, ip, network })
    relays.set(network, known)
    return known
  }
  /** The address that stands for the way from one to another. */
  const standIn = (way: Way): string => {
    const known = addresses.get(wayKey(way)) ?? hardwareAddressOf('way', addresses.size)
    addresses.set(wayKey(way), known)
    return known
  }
  return {
    async impair(ways, { delayMs, loss, seed }) {
      for (const [network, some] of Map.groupBy(ways, ([from]) => from.network)) {
        const lines = some.map(([from, to], at) => {
          const words = [standIn([from, to]), to.hardware, standIn([to, from]), delayMs, loss, seed + at]
          return words.join(' ')
        })
        await (await relayIn(network)).tell(lines)
      }
      return ways.map(standIn)
    },
  }
}

async function startRelay(
  machine: Machine,
  run: string,
  { switchHolder, ip, network }: Pick<Namespaces, 'switchHolder' | 'ip'> & { network: Network },
): Promise<Relay> {
  const [port, end] = [`detour-${network.bridge}`, `relay-${network.bridge}`]
  await ip(undefined, [
    `link add ${port} type veth peer name ${end}`,
    `link set ${port} master ${network.bridge} up`,
    `link set ${end} up`,
  ])
  const [program = '', ...argv] = [
    ...entering(machine, switchHolder, '--net'),
    machine.perl ?? 'perl',
    '-e',
    relay,
    end,
  ]
  const env = programEnvironment({ HOLDFAST_RUN: run })
  const child = spawn(program, argv, { detached: true, env, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  child.stdin.on('error', () => {})
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    async tell(lines) {
      child.stdin.write(lines.map((line) => `${line}\n`).join(''))
      for (const _ of lines) {
        const { done } = await answers.next()
        if (!done) continue
        if (child.exitCode === null) await once(child, 'exit')
        throw new HoldfastError('HOLDFAST_NETNS_FAILED', `the relay of network ${network.name} ended: ${said.trim()}`)
      }
    },
  }
}
