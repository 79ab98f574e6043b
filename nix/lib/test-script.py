import json
import secrets

# The same text for every topology: what is specific stands in /etc/holdfast/machines.json, and every claim in the scenarios.
ops = "/run/holdfast"
nodes = {machine.name: machine for machine in machines if machine.name != "runner"}
runner = next(machine for machine in machines if machine.name == "runner")
cuts = []


def quietly(machine, command):
    # `succeed` writes commands down, and these hold the key.
    status, output = machine.execute(command)
    assert status == 0, f"{machine.name}: {output}"


def cut(request):
    for here, there in ((request["a"], request["b"]), (request["b"], request["a"])):
        for address in request["addresses"][there]:
            rule = f"INPUT -s {address} -j DROP"
            nodes[here].succeed(f"iptables -w -I {rule}")
            cuts.append((here, rule))


def heal(request):
    while cuts:
        here, rule = cuts.pop()
        nodes[here].succeed(f"iptables -w -D {rule}")


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
    runner.succeed(f"echo {text} > {file}.new && mv {file}.new {file}")


start_all()

with subtest("every agent waits for whoever has the key"):
    key = secrets.token_hex(32)
    for machine in [runner, *nodes.values()]:
        machine.wait_for_unit("multi-user.target")
        quietly(machine, f"umask 077 && mkdir -p {ops} && printf %s {key} > {ops}/key.new && mv {ops}/key.new {ops}/key")
    for machine in nodes.values():
        machine.wait_for_unit("holdfast-node.target")

with subtest("the scenarios hold"):
    runner.succeed(f"mkdir -p {ops}/faults", "systemctl start --no-block holdfast-scenarios.service")
    for request in requests():
        {"cut": cut, "heal": heal}[request["op"]](request)
        answer(request, "done")
