import json
import secrets
import shlex

# The same text for every topology: what is specific stands in /etc/holdfast/machines.json, and every claim in the scenarios.
ops = "/run/holdfast"
nodes = {machine.name: machine for machine in machines if machine.name != "runner"}
runner = next(machine for machine in machines if machine.name == "runner")
key = secrets.token_hex(32)
known = {}
# Machines without power, and the rules that are on the others.
off = set()
cuts = []


def quietly(machine, command):
    # `succeed` writes commands down, and these hold the key.
    status, output = machine.execute(command)
    assert status == 0, f"{machine.name}: {output}"


def hand_key(machine):
    machine.wait_for_unit("multi-user.target")
    quietly(machine, f"umask 077 && mkdir -p {ops} && printf %s {key} > {ops}/key.new && mv {ops}/key.new {ops}/key")


def cut(request):
    for here, there in ((request["a"], request["b"]), (request["b"], request["a"])):
        for address in [] if here in off else request["addresses"][there]:
            rule = f"INPUT -s {address} -j DROP"
            nodes[here].succeed(f"iptables -w -I {rule}")
            cuts.append((here, rule))


def heal(request):
    while cuts:
        here, rule = cuts.pop()
        nodes[here].succeed(f"iptables -w -D {rule}")


def crash(request):
    name = request["node"]
    nodes[name].crash()
    off.add(name)
    # They have gone with it.
    cuts[:] = [(here, rule) for here, rule in cuts if here != name]


def start(request):
    name = request["node"]
    nodes[name].start()
    # What was in its memory is gone, the key too.
    hand_key(nodes[name])
    nodes[name].wait_for_unit("holdfast-node.target")
    off.discard(name)


def monitor(*commands):
    def tell(request):
        name = request["node"]
        # As QEMU calls them; the first, 0, leads to the host.
        cards = range(1, len(known["machines"][name]["addresses"]) + 1)
        for command in commands:
            for line in dict.fromkeys(command.format(card=card) for card in cards):
                nodes[name].send_monitor_command(line)

    return tell


def clock(request):
    seconds = lambda: float(runner.succeed("date +%s.%N"))
    # On a busy host it may take a while until a shell answers: so long the clock would be behind.
    for _ in range(20):
        asked = seconds()
        nodes[request["node"]].succeed(f"date -s @{asked + request['seconds']:.3f}")
        if seconds() - asked < 1:
            return
    raise Exception("its clock cannot be set to the second: shells take too long to answer")


serve = {
    "cut": cut,
    "heal": heal,
    "crash": crash,
    "start": start,
    "block": monitor("set_link virtio-net-pci.{card} off"),
    "unblock": monitor("set_link virtio-net-pci.{card} on"),
    "freeze": monitor("stop"),
    "thaw": monitor("cont"),
    "clock": clock,
}


# What the scenarios ask for, until they have ended: one file for each request, a line of JSON.
def requests():
    take = "for f in *.request; do [ -e $f ] && cat $f && exec rm $f; done; sleep 0.05"
    while True:
        status, line = runner.execute(f"cd {ops}/faults && {take}")
        if line.strip() == "":
            continue
        request = json.loads(line)
        if request["op"] == "ended":
            said = runner.execute("journalctl -u holdfast-scenarios --no-pager -o cat")[1]
            assert request["result"] == "success", said
            print(said)
            return
        yield request


def answer(request, text):
    file = f"{ops}/faults/{request['id']}.answer"
    runner.succeed(f"echo {shlex.quote(text)} > {file}.new && mv {file}.new {file}")


start_all()

with subtest("every agent waits for whoever has the key"):
    for machine in [runner, *nodes.values()]:
        hand_key(machine)
    for machine in nodes.values():
        machine.wait_for_unit("holdfast-node.target")

with subtest("the scenarios hold"):
    known = json.loads(runner.succeed("cat /etc/holdfast/machines.json"))
    runner.succeed(f"mkdir -p {ops}/faults", "systemctl start --no-block holdfast-scenarios.service")
    for request in requests():
        try:
            serve[request["op"]](request)
            told = "done"
        except Exception as failure:
            # Who asked tells of it, with all else that he knows.
            told = " ".join(f"{type(failure).__name__}: {failure}".split())
        answer(request, told)
