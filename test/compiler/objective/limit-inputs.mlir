// RUN: %trainc-opt --trainc-limit-inputs -split-input-file -verify-diagnostics %s | FileCheck %s

// The smallest limit of all uses, through what only moves elements and into a
// scan. Only targets that every use ignores may hold the ignored value.
// CHECK: module attributes {
// CHECK-SAME: train.input_limits = {both = {limit = 5 : i64}, ids = {limit = 7 : i64}, labels = {ignore = -1 : i64, limit = 3 : i64}, rows = {limit = 9 : i64}}
module {
  plan.program @accumulate ["ids", "labels", "both", "rows", "x"] {
  ^bb0(%ids: tensor<2x3xi32>, %labels: tensor<6xi32>, %both: tensor<6xi32>, %rows: tensor<4x2xi32>, %x: tensor<6x5xf32>):
    %large = nn.constant dense<1.0> : tensor<9x8xf32>
    %small = nn.constant dense<1.0> : tensor<7x8xf32>
    %a = nn.embedding %large, %ids : tensor<9x8xf32>, tensor<2x3xi32> -> tensor<2x3x8xf32>
    %flat = nn.reshape %ids : tensor<2x3xi32> -> tensor<6xi32>
    %part = nn.slice %flat [2] : tensor<6xi32> -> tensor<3xi32>
    %b = nn.embedding %small, %part : tensor<7x8xf32>, tensor<3xi32> -> tensor<3x8xf32>
    %three = nn.slice %x [0, 0] : tensor<6x5xf32> -> tensor<6x3xf32>
    %l, %lse = nn.cross_entropy %three, %labels {ignore_index = -1 : i64} : tensor<6x3xf32>, tensor<6xi32> -> tensor<6xf32>
    %m, %lse2 = nn.cross_entropy %x, %both {ignore_index = -1 : i64} : tensor<6x5xf32>, tensor<6xi32> -> tensor<6xf32>
    %c = nn.embedding %large, %both : tensor<9x8xf32>, tensor<6xi32> -> tensor<6x8xf32>
    %start = nn.constant dense<0.0> : tensor<2x8xf32>
    %s = nn.scan over (%rows : tensor<4x2xi32>) from (%start : tensor<2x8xf32>) with (%large : tensor<9x8xf32>) {
    ^bb0(%row: tensor<2xi32>, %before: tensor<2x8xf32>, %table: tensor<9x8xf32>):
      %e = nn.embedding %table, %row : tensor<9x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
      %after = nn.add %before, %e : tensor<2x8xf32>
      nn.yield %after : tensor<2x8xf32>
    } -> states (tensor<4x2x8xf32>)
    %inside = nn.constant dense<[0, 8]> : tensor<2xi32>
    %d = nn.embedding %large, %inside : tensor<9x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  }
}

// -----

plan.program @accumulate ["ids"] {
^bb0(%ids: tensor<3xi32>):
  %table = nn.constant dense<1.0> : tensor<9x8xf32>
  // expected-note @below {{they come from here}}
  %next = nn.add %ids, %ids : tensor<3xi32>
  // expected-error @below {{expected indices that are elements of an input or a constant, so that they can be checked when data is read, but got computed ones}}
  %a = nn.embedding %table, %next : tensor<9x8xf32>, tensor<3xi32> -> tensor<3x8xf32>
}

// -----

plan.program @accumulate [] {
  %table = nn.constant dense<1.0> : tensor<9x8xf32>
  %ids = nn.constant dense<[3, 9]> : tensor<2xi32>
  // expected-error @below {{expected indices from 0 to 8, but got the constant 9}}
  %a = nn.embedding %table, %ids : tensor<9x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
}

// -----

module attributes {train.length = 10 : i64} {
  plan.program @prefill ["control.position"] {
  ^bb0(%position: tensor<1xi32>):
    %table = nn.constant dense<1.0> : tensor<9x8xf32>
    // expected-error @below {{expected a row for each of train.length = 10 positions, but got 9}}
    %a = nn.embedding %table, %position : tensor<9x8xf32>, tensor<1xi32> -> tensor<1x8xf32>
  }
}
