"""Each rule of runtime/abi/README.md on evolution, broken alone, must be found."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ABI = pathlib.Path(__file__).resolve().parents[4] / "runtime" / "abi"
SCHEMA = (ABI / "plan.fbs").read_text()


def check(schema, history=SCHEMA):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "plan.fbs").write_text(schema)
        if history is not None:
            (folder / "plan-1.fbs").write_text(history)
        run = subprocess.run(
            [sys.executable, ABI / "history" / "check", folder / "plan.fbs", folder],
            capture_output=True, text=True)
        return run.returncode, run.stderr


class History(unittest.TestCase):
    def refuse(self, message, old, new):
        self.assertIn(old, SCHEMA)
        status, errors = check(SCHEMA.replace(old, new))
        self.assertEqual(status, 1)
        self.assertIn(message, errors)

    def test_the_repository_is_consistent(self):
        run = subprocess.run([sys.executable, ABI / "history" / "check"])
        self.assertEqual(run.returncode, 0)

    def test_appending_is_allowed_once_released(self):
        new = SCHEMA.replace("content_hash:ulong (id: 13);",
                             "content_hash:ulong (id: 13);\n  more:ulong (id: 14);")
        status, errors = check(new)
        self.assertEqual(status, 1)
        self.assertIn("release it as the next version", errors)
        self.assertEqual(errors.count("error:"), 1)

    def test_dropping_the_last_field(self):
        self.refuse("Plan.content_hash as in schema plan-1",
                    "content_hash:ulong (id: 13);", "")

    def test_retyping(self):
        self.refuse("Batch.seed as in schema plan-1", "seed:ulong", "seed:uint")

    def test_renaming(self):
        self.refuse("Batch.seed as in schema plan-1", "seed:ulong", "root:ulong")

    def test_new_required_field(self):
        self.refuse("expected no new required field, but got Plan.more",
                    "content_hash:ulong (id: 13);",
                    "content_hash:ulong (id: 13);\n  more:string (id: 14, required);")

    def test_missing_id(self):
        self.refuse("expected Plan.name to have id", "name:string (id: 3);",
                    "name:string;")

    def test_struct(self):
        self.refuse("expected tables only, but got struct Pair",
                    "root_type Plan;", "struct Pair { a:int; }\nroot_type Plan;")

    def test_narrow_size(self):
        self.refuse("expected Copy.more_bytes to be ulong, but got uint",
                    "destination:uint (id: 1);",
                    "destination:uint (id: 1);\n  more_bytes:uint (id: 2);")

    def test_dropping_the_last_enum_value(self):
        self.refuse("ElementType.U8 as in schema plan-1", ",\n  F16 = 7, U8 = 8",
                    ",\n  F16 = 7")

    def test_enum_without_unspecified(self):
        self.refuse("expected enum New to start with Unspecified = 0",
                    "root_type Plan;", "enum New : ushort { A = 1 }\nroot_type Plan;")

    def test_narrow_enum(self):
        self.refuse("expected enum New to be ushort", "root_type Plan;",
                    "enum New : ubyte { Unspecified = 0 }\nroot_type Plan;")

    def test_dropping_a_union_member(self):
        self.refuse("Command.Copy as in schema plan-1",
                    "union Command { Launch, Copy }", "union Command { Launch }")

    def test_lost_history(self):
        status, errors = check(SCHEMA, history=None)
        self.assertEqual(status, 1)
        self.assertIn("expected released schemas", errors)


if __name__ == "__main__":
    unittest.main()
