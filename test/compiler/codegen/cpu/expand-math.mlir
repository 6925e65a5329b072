// RUN: %trainc-opt %s --pass-pipeline="builtin.module(func.func(trainc-expand-math))" --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @functions
// CHECK-NOT: math.{{exp|log|tanh|erf|sin|cos|powf|rsqrt}}
// CHECK: return
func.func @functions(%x: f64, %y: f32) -> (f64, f32) {
  %0 = math.exp %x : f64
  %1 = math.log %0 : f64
  %2 = math.tanh %1 : f64
  %3 = math.erf %2 : f64
  %4 = math.sin %3 : f64
  %5 = math.cos %4 : f64
  %6 = math.powf %5, %x : f64
  %7 = math.rsqrt %6 : f64
  %8 = math.exp %y : f32
  %9 = math.log %8 : f32
  %10 = math.tanh %9 : f32
  %11 = math.erf %10 : f32
  %12 = math.powf %11, %y : f32
  %13 = math.rsqrt %12 : f32
  return %7, %13 : f64, f32
}

// -----

func.func @unknown(%x: f64) -> f64 {
  // expected-error @+1 {{expected an operation that the CPU back end can expand}}
  %0 = math.atan %x : f64
  return %0 : f64
}
