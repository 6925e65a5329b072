"""Two processes side by side, one of ours and one of PyTorch's, timed in turns.

A worker is a script that calls serve(); the parent holds a Worker for it. They
speak one JSON object a line. Whoever is not measured is stopped, so that threads
that poll for work take no time from the other.
"""

import json
import signal
import subprocess
import sys
import time


class Worker:
    """`command` is started with `environment`; its stderr goes to the file `log`."""

    def __init__(self, command, environment, log):
        self.log = open(log, "w+")
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.stopped = False

    def ask(self, **request):
        """The reply; RuntimeError with what the worker wrote where there is none."""
        self.go_on()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            reply = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            self.process.wait(10)
            self.log.seek(0)
            raise RuntimeError(f"a worker ended: {self.log.read().strip()[-2000:]}") from None
        if "error" in reply:
            raise RuntimeError(reply["error"])
        self.pause()
        return reply

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self):
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
            self.stopped = False

    def close(self):
        self.go_on()
        try:
            self.process.stdin.close()
            self.process.wait(30)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.log.close()


def serve(prepare):
    """Answers until the parent closes: "prepare" with a spec makes the function that
    "time" calls again and again."""
    function = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                function = None  # frees the memory of the last one first
                function, reply = prepare(request["spec"])
            elif request["do"] == "time":
                reply = {"seconds": sample(function, request["runs"], request["at_most"])}
            else:
                raise ValueError(f"expected prepare or time, but got {request['do']}")
        except Exception as error:  # the parent reports it with the row's name
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


WARM_UP_SECONDS = 0.06


def sample(function, runs, at_most):
    """Seconds of each of `runs` calls after some that warm up: a system takes its time to
    give each thread a processor of its own. Fewer once `at_most` seconds have passed."""
    warm = time.perf_counter() + WARM_UP_SECONDS
    function()
    while time.perf_counter() < warm:
        function()
    samples, end = [], time.perf_counter() + at_most
    while len(samples) < runs and (not samples or time.perf_counter() < end):
        begin = time.perf_counter()
        function()
        samples.append(time.perf_counter() - begin)
    return samples
