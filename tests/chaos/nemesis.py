"""What goes wrong, and in which order.

A fault is a context: it is there inside, and healed after. The plan, that is which fault comes
when, for how long and whom it hits, follows from the seed alone. Only the member that leads when a
fault comes is not in the plan.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from clients import Crowd, Watcher
from members import USER, Cluster, Member
from namespaces import LabError
from network import Host, Wires


@dataclass
class Scene:
    """What a fault can act on."""

    wires: Wires
    cluster: Cluster
    # The hosts of the clients; the one at an index prefers the member at that index.
    homes: list[Host]
    crowd: Crowd
    watcher: Watcher


Fault = Callable[[Scene, random.Random], AbstractContextManager[str]]


@contextlib.contextmanager
def killed(member: Member) -> Iterator[str]:
    member.kill()
    yield member.name
    member.start()


@contextlib.contextmanager
def stopped(member: Member) -> Iterator[str]:
    member.stop()
    yield member.name
    member.resume()


def a_follower(scene: Scene, dice: random.Random) -> Member:
    return dice.choice(scene.cluster.followers())


def kill_a_follower(scene: Scene, dice: random.Random) -> AbstractContextManager[str]:
    return killed(a_follower(scene, dice))


def kill_the_leader(scene: Scene, dice: random.Random) -> AbstractContextManager[str]:
    return killed(scene.cluster.leader())


def stop_a_follower(scene: Scene, dice: random.Random) -> AbstractContextManager[str]:
    return stopped(a_follower(scene, dice))


def stop_the_leader(scene: Scene, dice: random.Random) -> AbstractContextManager[str]:
    return stopped(scene.cluster.leader())


@contextlib.contextmanager
def restart_all(scene: Scene, dice: random.Random) -> Iterator[str]:
    for member in scene.cluster.members:
        member.kill()
    yield "all members"
    for member in scene.cluster.members:
        member.start()


@contextlib.contextmanager
def cut_a_link(scene: Scene, dice: random.Random) -> Iterator[str]:
    one, other = dice.sample(scene.cluster.members, 2)
    with scene.wires.cut(one.host, other.host):
        yield f"{one.name} and {other.name}"


@contextlib.contextmanager
def isolate_a_member(scene: Scene, dice: random.Random) -> Iterator[str]:
    """Its clients still reach it, and it reaches no other member."""
    member = scene.cluster.leader() if dice.random() < 0.5 else a_follower(scene, dice)
    with ExitStack() as cuts:
        for other in scene.cluster.members:
            if other is not member:
                cuts.enter_context(scene.wires.cut(member.host, other.host))
        yield member.name


@contextlib.contextmanager
def isolate_one_way(scene: Scene, dice: random.Random) -> Iterator[str]:
    """It hears the others and they don't hear it, or the reverse."""
    member = scene.cluster.leader() if dice.random() < 0.5 else a_follower(scene, dice)
    mute = dice.random() < 0.5
    with ExitStack() as cuts:
        for other in scene.cluster.members:
            if other is not member:
                pair = (member.host, other.host) if mute else (other.host, member.host)
                cuts.enter_context(scene.wires.unheard(*pair))
        yield f"{member.name} {'is not heard' if mute else 'hears nothing'}"


@contextlib.contextmanager
def cut_off_clients(scene: Scene, dice: random.Random) -> Iterator[str]:
    """Silently, one way or both, or with the word that there is no way."""
    index = dice.randrange(len(scene.homes))
    home, host = scene.homes[index], scene.cluster.members[index].host
    how, cut = dice.choice(
        [
            ("silently", scene.wires.cut(home, host)),
            ("unheard", scene.wires.unheard(home, host)),
            ("unhearing", scene.wires.unheard(host, home)),
            ("told so", scene.wires.unreachable(home, host)),
        ]
    )
    with cut:
        yield f"{home.name} from {host.name}, {how}"


@contextlib.contextmanager
def delay(scene: Scene, dice: random.Random) -> Iterator[str]:
    member = dice.choice(scene.cluster.members)
    milliseconds = dice.randint(25, 100)
    with scene.wires.slow(member.host, milliseconds, 0):
        yield f"{member.name} by {2 * milliseconds} ms a round trip"


@contextlib.contextmanager
def lose_frames(scene: Scene, dice: random.Random) -> Iterator[str]:
    member = dice.choice(scene.cluster.members)
    percent = dice.randint(2, 10)
    with scene.wires.slow(member.host, 1, percent):
        yield f"{percent} % from and to {member.name}"


@contextlib.contextmanager
def compact(scene: Scene, dice: random.Random) -> Iterator[str]:
    """As far as the watch has seen: what it has not is not to be lost."""
    revision = scene.watcher.seen()
    scene.cluster.compact(revision)
    yield f"before revision {revision}"


@contextlib.contextmanager
def defragment(scene: Scene, dice: random.Random) -> Iterator[str]:
    """One member after another, as it blocks a member while it lasts."""
    members = dice.sample(scene.cluster.members, len(scene.cluster.members))
    for member in members:
        scene.cluster.defragment(member)
    yield ", then ".join(member.name for member in members)


@contextlib.contextmanager
def revoke_the_role(scene: Scene, dice: random.Random) -> Iterator[str]:
    member = scene.cluster.members[0]
    scene.cluster.ctl(f"user revoke-role {USER[0]} clock", member)
    yield f"of the user {USER[0]}"
    scene.cluster.ctl(f"user grant-role {USER[0]} clock", member)


@contextlib.contextmanager
def fill_the_quota(scene: Scene, dice: random.Random) -> Iterator[str]:
    """Until the members refuse to write; healed in the three steps that the error names."""
    cluster = scene.cluster
    member = cluster.members[0]
    filling = bytes(1_000_000)
    written = 0
    while True:
        try:
            # One key: what it held before goes with the first compaction, also one that must not
            # reach as far as a deletion would stand.
            cluster.ctl("put /filling", member, filling)
        except LabError as error:
            if "space exceeded" not in str(error):
                raise
            break
        written += 1
    yield f"with {written} MB"
    cluster.ctl("del /filling", member)
    cluster.clean(scene.watcher.seen())
    cluster.ctl("alarm disarm", member)


@contextlib.contextmanager
def kill_clients(scene: Scene, dice: random.Random) -> Iterator[str]:
    victims = dice.sample(scene.crowd.clients, 3)
    for client in victims:
        client.kill()
    yield ", ".join(client.name for client in victims)
    for client in victims:
        client.start()


@contextlib.contextmanager
def stop_clients(scene: Scene, dice: random.Random) -> Iterator[str]:
    """In the middle of whatever they do; they go on with what they knew before."""
    victims = dice.sample(scene.crowd.clients, 3)
    for client in victims:
        client.stop()
    yield ", ".join(client.name for client in victims)
    for client in victims:
        client.resume()


FAULTS: dict[str, Fault] = {
    "kill a follower": kill_a_follower,
    "kill the leader": kill_the_leader,
    "stop a follower": stop_a_follower,
    "stop the leader": stop_the_leader,
    "restart all": restart_all,
    "cut a link": cut_a_link,
    "isolate a member": isolate_a_member,
    "isolate one way": isolate_one_way,
    "cut off clients": cut_off_clients,
    "delay": delay,
    "lose frames": lose_frames,
    "compact": compact,
    "defragment": defragment,
    "revoke the role": revoke_the_role,
    "fill the quota": fill_the_quota,
    "kill clients": kill_clients,
    "stop clients": stop_clients,
}


@dataclass(frozen=True)
class Planned:
    """One fault of the plan."""

    kind: str
    # How long it is there, in seconds.
    hold: float
    # Decides whom it hits, and how.
    dice: random.Random


def plan(seed: int, kinds: list[str]) -> Iterator[Planned]:
    """Without end: all kinds in some order, then all in another, and so on."""
    dice = random.Random(seed)
    while True:
        for kind in dice.sample(kinds, len(kinds)):
            yield Planned(kind, dice.uniform(1.0, 4.0), random.Random(dice.getrandbits(64)))
