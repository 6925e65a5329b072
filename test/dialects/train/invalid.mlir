// RUN: %trainc-opt %s -split-input-file -verify-diagnostics
// Every constraint (Cn) of dialects/train/TrainOps.td, in its order.

// parameter C1
// expected-error @below {{expected a static float tensor type, but got 'tensor<8xi32>'}}
train.parameter @p normal : tensor<8xi32> {external_name = "p"}

// -----
// expected-error @below {{expected a static float tensor type, but got 'tensor<?xf32>'}}
train.parameter @p normal : tensor<?xf32> {external_name = "p"}

// -----
// parameter C2
// expected-error @below {{expected a scale of at least 0, but got -1}}
train.parameter @p normal : tensor<8xf32> {scale = -1.0 : f64, external_name = "p"}

// -----

// expected-error @below {{expected a rate_factor of at least 0, but got -1.0}}
train.parameter @p normal : tensor<8xf32> {rate_factor = -1.0 : f64, external_name = "p"}

// -----

// expected-error @below {{expected a weight_decay of at least 0, but got -1.0}}
train.parameter @p normal : tensor<8xf32> {weight_decay = -1.0 : f64, external_name = "p"}

// -----
// state C1
// expected-error @below {{expected a static tensor type, but got 'f32'}}
train.state @s metric : f32

// -----
// state C2
// expected-error @below {{expected the parameter that the gradient belongs to, but got none}}
train.state @s gradient : tensor<8xf32>

// -----
// expected-error @below {{expected @q to be a train.parameter, but it is not}}
train.state @s gradient : tensor<8xf32> {parameter = @q}

// -----
train.parameter @p normal : tensor<8xf32> {external_name = "p"}
// expected-error @below {{expected the parameter's type 'tensor<8xf32>', but got 'tensor<4xf32>'}}
train.state @s gradient : tensor<4xf32> {parameter = @p}

// -----
// state C3
// expected-error @below {{expected an external_name exactly for optimizer states}}
train.state @s optimizer : tensor<8xf32>

// -----
// expected-error @below {{expected an external_name exactly for optimizer states}}
train.state @s metric : tensor<8xf32> {external_name = "s"}

// -----
// group C1
// expected-error @below {{expected @p to be a train.parameter or train.state, but it is not}}
train.group @g [@p] : tensor<64xf32>

// -----
train.parameter @p normal : tensor<8xf32> {external_name = "p"}
// expected-error @below {{expected distinct members that are all parameters or all states of one role, but got @p as well}}
train.group @g [@p, @p] : tensor<128xf32>

// -----
train.parameter @p normal : tensor<8xf32> {external_name = "p"}
train.state @p.m optimizer : tensor<8xf32> {parameter = @p, external_name = "p.m"}
// expected-error @below {{expected distinct members that are all parameters or all states of one role, but got @p.m as well}}
train.group @g [@p, @p.m] : tensor<128xf32>

// -----
train.parameter @p normal : tensor<8xf32> {external_name = "p"}
// expected-error @below {{expected members of element type 'f64', but got 'tensor<8xf32>' of @p}}
train.group @g [@p] : tensor<64xf64>

// -----
// group C2
train.parameter @p normal : tensor<8xf32> {external_name = "p"}
// expected-error @below {{expected a static tensor type of one dimension, but got 'tensor<8x8xf32>'}}
train.group @g [@p] : tensor<8x8xf32>

// -----
train.parameter @p normal : tensor<5x13xf32> {external_name = "p"}
// expected-error @below {{expected members, and at least 128 elements for them, but got 1 and 65}}
train.group @g [@p] : tensor<65xf32>

// -----
// expected-error @below {{expected members, and at least 0 elements for them, but got 0 and 64}}
train.group @g [] : tensor<64xf32>

// -----
// group C3
train.parameter @p normal : tensor<8xf32> {external_name = "p"}
// expected-error @below {{expected a variable in one group, but got @p in @h as well}}
train.group @g [@p] : tensor<64xf32>
train.group @h [@p] : tensor<64xf32>

// -----
// read C1
plan.program @a [] {
  // expected-error @below {{expected @p to be a train.parameter, train.state or train.group, but it is not}}
  %0 = train.read @p : tensor<8xf32>
}

// -----
train.parameter @p normal : tensor<8xf32> {external_name = "p"}
plan.program @a [] {
  // expected-error @below {{expected type 'tensor<8xf32>' of @p, but got 'tensor<4xf32>'}}
  %0 = train.read @p : tensor<4xf32>
}

// -----
// sum_squares C1
train.state @ids metric : tensor<8xi32>
train.step @step [] {
  // expected-error @below {{expected @ids to be a train.parameter, train.state or train.group of a float type, but it is not}}
  %0 = train.sum_squares [@ids] : tensor<f64>
}

// -----
train.step @step [] {
  // expected-error @below {{expected @p to be a train.parameter, train.state or train.group of a float type, but it is not}}
  %0 = train.sum_squares [@p] : tensor<f64>
}

// -----
// write C1
plan.program @a [] {
  %0 = nn.constant dense<0.0> : tensor<8xf32>
  // expected-error @below {{expected @p to be a train.parameter, train.state or train.group, but it is not}}
  train.write %0, @p : tensor<8xf32>
}

// -----
// step C1
// expected-error @below {{expected 2 distinct input names, but got ["x", "x"]}}
train.step @step ["x", "x"] {
^bb0(%x: tensor<4xi32>, %y: tensor<4xi32>):
}

// -----
// loss C1
plan.program @a [] {
  %0 = nn.constant dense<0.0> : tensor<8xf64>
  // expected-error @below {{expected scalars of type tensor<f64>, but got 'tensor<8xf64>'}}
  train.loss "a" %0, %0 : tensor<8xf64>
}

// -----
// loss C2
plan.program @a [] {
  %0 = nn.constant dense<0.0> : tensor<f64>
  // expected-error @below {{expected distinct names of loss terms, but got "a" twice}}
  train.loss "a" %0, %0 : tensor<f64>
  train.loss "a" %0, %0 : tensor<f64>
}

// -----
// update C1
train.step @step [] {
  // expected-error @below {{expected 1 arguments of region 'schedule', but got 2}}
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>, %u: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
train.step @step [] {
  // expected-error @below {{expected 4 arguments of region 'element', but got 3}}
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield %lr : tensor<f64>
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
train.step @step [] {
  // expected-error @below {{expected scalars of type tensor<f64> in region 'step', but got 'tensor<f32>'}}
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f32>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
// update C2
train.step @step [] {
  // expected-error @below {{expected 1 scalar values, but got 0}}
  train.update "sgd" states [] scalars ["power"] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>, %power: tensor<f64>):
    train.yield %power : tensor<f64>
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
// update C3
train.step @step [] {
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected elementwise operations on scalars, constants and means in region 'element'}}
    %0 = nn.broadcast %theta [] : tensor<f32> -> tensor<2xf32>
    train.yield %theta : tensor<f32>
  }
}

// -----
train.parameter @p normal : tensor<f32> {external_name = "p"}
train.step @step [] {
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected elementwise operations on scalars, constants and means in region 'element'}}
    %0 = train.read @p : tensor<f32>
    train.yield %theta : tensor<f32>
  }
}

// -----
// update C1
train.step @step [] {
  // expected-error @below {{expected 4 arguments of region 'matrix', but got 3}}
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [row "r"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
// update C1
train.step @step [] {
  // expected-error @below {{expected region 'matrix' to yield at least 2 values, but got 1}}
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [row "r"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %r: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
// update C1
train.step @step [] {
  // expected-error @below {{expected states of extent row, column or element in region 'matrix', but got tensor}}
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [tensor "r"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %r: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta, %r : tensor<f32>, tensor<f32>
  }
}

// -----
// update C4
train.step @step [] {
  // expected-error @below {{expected a new value of state "r" that varies by row at most, but got one that varies by element; take a train.mean}}
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [row "r"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %r: tensor<f32>, %decay: tensor<f32>):
    %d = nn.mul %r, %g : tensor<f32>
    train.yield %theta, %d : tensor<f32>, tensor<f32>
  }
}

// -----
// update C4
train.step @step [] {
  // expected-error @below {{expected a new value of state "r" that varies by row at most, but got one that varies by column; take a train.mean}}
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [row "r"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %r: tensor<f32>, %decay: tensor<f32>):
    %d = train.mean column %g : tensor<f32>
    train.yield %theta, %d : tensor<f32>, tensor<f32>
  }
}

// -----
// mean C2
train.step @step [] {
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected to stand in region 'matrix' of train.update, or in 'element' over the tensor, but got another place}}
    %m = train.mean row %g : tensor<f32>
    train.yield %theta : tensor<f32>
  }
}

// -----
// mean C2
train.step @step [] {
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected a mean over tensor, row or column, but got one over element}}
    %m = train.mean element %g : tensor<f32>
    train.yield %theta : tensor<f32>
  }
}

// -----
// mean C3
train.step @step [] {
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected a value that varies by row, column or element, but got one that varies by update}}
    %m = train.mean tensor %decay : tensor<f32>
    train.yield %theta : tensor<f32>
  }
}

// -----
// mean C3
train.step @step [] {
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [row "r"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %r: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected a value that varies by element, but got one that varies by row}}
    %m = train.mean row %r : tensor<f32>
    train.yield %theta, %r : tensor<f32>, tensor<f32>
  }
}

// -----
// sweep C1
%x = nn.constant dense<0.0> : tensor<128xf32>
%a = nn.constant dense<0.0> : tensor<2xf32>
// expected-error @below {{expected at least one matrix, row, column and row at a time}}
%y:2 = train.sweep 2, 3, 5 by 0 elements(%x : tensor<128xf32>) tensors(%a : tensor<2xf32>) {
^bb0(%e: tensor<f32>, %f: tensor<f32>):
  %w = nn.cast %f : tensor<f32> -> tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<128xf32>) sums(tensor<2x2xf64>)

// -----
// sweep C1
%x = nn.constant dense<0.0> : tensor<30xf32>
%a = nn.constant dense<0.0> : tensor<2xf32>
// expected-error @below {{expected elements of 2 matrices with 15 each, but got 'tensor<30xf32>'}}
%y:2 = train.sweep 2, 3, 5 by 2 elements(%x : tensor<30xf32>) tensors(%a : tensor<2xf32>) {
^bb0(%e: tensor<f32>, %f: tensor<f32>):
  %w = nn.cast %f : tensor<f32> -> tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<128xf32>) sums(tensor<2x2xf64>)

// -----
// sweep C1
%x = nn.constant dense<0.0> : tensor<128xf32>
%a = nn.constant dense<0.0> : tensor<3xf32>
// expected-error @below {{expected values of matrices as 'tensor<2xf32>', but got 'tensor<3xf32>'}}
%y:2 = train.sweep 2, 3, 5 by 2 elements(%x : tensor<128xf32>) tensors(%a : tensor<3xf32>) {
^bb0(%e: tensor<f32>, %f: tensor<f32>):
  %w = nn.cast %f : tensor<f32> -> tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<128xf32>) sums(tensor<2x2xf64>)

// -----
// sweep C1
%x = nn.constant dense<0.0> : tensor<128xf32>
%a = nn.constant dense<0.0> : tensor<2xf32>
// expected-error @below {{expected elements of 2 matrices with 15 each, but got 'tensor<2x5x3xf32>'}}
%y:2 = train.sweep 2, 3, 5 by 2 elements(%x : tensor<128xf32>) tensors(%a : tensor<2xf32>) {
^bb0(%e: tensor<f32>, %f: tensor<f32>):
  %w = nn.cast %f : tensor<f32> -> tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<2x5x3xf32>) sums(tensor<2x2xf64>)

// -----
// sweep C1
%x = nn.constant dense<0.0> : tensor<128xf32>
%a = nn.constant dense<0.0> : tensor<2xf32>
// expected-error @below {{expected sums over matrices as 'tensor<2x2xf64>', but got 'tensor<2x1xf64>'}}
%y:2 = train.sweep 2, 3, 5 by 2 elements(%x : tensor<128xf32>) tensors(%a : tensor<2xf32>) {
^bb0(%e: tensor<f32>, %f: tensor<f32>):
  %w = nn.cast %f : tensor<f32> -> tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<128xf32>) sums(tensor<2x1xf64>)

// -----
// sweep C2
%x = nn.constant dense<0.0> : tensor<128xf32>
%a = nn.constant dense<0.0> : tensor<2xf32>
// expected-error @below {{expected 2 arguments of the body, but got 1}}
%y:2 = train.sweep 2, 3, 5 by 2 elements(%x : tensor<128xf32>) tensors(%a : tensor<2xf32>) {
^bb0(%e: tensor<f32>):
  %w = nn.cast %e : tensor<f32> -> tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<128xf32>) sums(tensor<2x2xf64>)

// -----
// sweep C2
%x = nn.constant dense<0.0> : tensor<128xf32>
%a = nn.constant dense<0.0> : tensor<2xf32>
// expected-error @below {{expected 'tensor<f32>' among the arguments of the body, but got 'tensor<f64>'}}
%y:2 = train.sweep 2, 3, 5 by 2 elements(%x : tensor<128xf32>) tensors(%a : tensor<2xf32>) {
^bb0(%e: tensor<f32>, %f: tensor<f64>):
  %w = nn.neg %f : tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<128xf32>) sums(tensor<2x2xf64>)

// -----
// sweep C3
%x = nn.constant dense<0.0> : tensor<128xf32>
%a = nn.constant dense<0.0> : tensor<2xf32>
%y:2 = train.sweep 2, 3, 5 by 2 elements(%x : tensor<128xf32>) tensors(%a : tensor<2xf32>) {
^bb0(%e: tensor<f32>, %f: tensor<f32>):
  // expected-error @below {{expected elementwise operations and constants in a sweep, but got this one}}
  %z = nn.broadcast %f [] : tensor<f32> -> tensor<2xf32>
  %w = nn.cast %f : tensor<f32> -> tensor<f64>
  train.yield %e, %w : tensor<f32>, tensor<f64>
} -> elements(tensor<128xf32>) sums(tensor<2x2xf64>)

// -----
// scale_loss C1
// expected-error @below {{expected a scale above 0 that is a normal f32, but got 0}}
train.scale_loss 0.0

// -----
// expected-error @below {{expected a scale above 0 that is a normal f32, but got}}
train.scale_loss 1.0e39

// -----
// scale_loss C2
// expected-error @below {{expected a finite growth above 1, but got 1}}
train.scale_loss 8.0 dynamic {growth = 1.0 : f64}

// -----
// expected-error @below {{expected a backoff between 0 and 1, but got 1}}
train.scale_loss 8.0 dynamic {backoff = 1.0 : f64}

// -----
// expected-error @below {{expected an interval and a hysteresis of at least 1, but got 0 and 1}}
train.scale_loss 8.0 dynamic {interval = 0 : i64}

// -----
// expected-error @below {{expected an interval and a hysteresis of at least 1, but got 2000 and 0}}
train.scale_loss 8.0 dynamic {hysteresis = 0 : i64}

// -----
// expected-error @below {{expected a floor from 0 to the scale of 8}}
train.scale_loss 8.0 dynamic {floor = 9.0 : f64}

// -----
// scale_loss C3
// expected-error @below {{expected one train.scale_loss in a module, but got a second}}
train.scale_loss 8.0
train.scale_loss 8.0

// -----
// orthogonalize C1
train.step @step [] {
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected to stand in region 'matrix' of train.update, but got another place}}
    %o = train.orthogonalize rows %g : tensor<f32>
    train.yield %theta : tensor<f32>
  } matrix states [] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
// orthogonalize C2
train.step @step [] {
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected a value that varies by element, but got one that varies by update}}
    %o = train.orthogonalize one %decay : tensor<f32>
    train.yield %theta : tensor<f32>
  }
}

// -----
// orthogonalize C3
train.step @step [] {
  train.update "r" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  } matrix states [] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    // expected-error @below {{expected at least 1 step, but got 0}}
    %o = train.orthogonalize rows %g {steps = 0 : i64} : tensor<f32>
    train.yield %theta : tensor<f32>
  }
}
