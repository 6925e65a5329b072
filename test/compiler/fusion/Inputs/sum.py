"""Prints a program that sums as many scalar states as its argument says."""
import sys

count = int(sys.argv[1])
for i in range(count + 1):
    print(f"train.state @s{i} metric : tensor<f64>")
print("plan.program @apply [] {")
for i in range(count):
    print(f"  %r{i} = train.read @s{i} : tensor<f64>")
print("  %t0 = nn.add %r0, %r1 : tensor<f64>")
for i in range(2, count):
    print(f"  %t{i - 1} = nn.add %t{i - 2}, %r{i} : tensor<f64>")
print(f"  train.write %t{count - 2}, @s{count} : tensor<f64>")
print("}")
