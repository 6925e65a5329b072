// AdaMax (Kingma and Ba 2015, section 7.1; PyTorch's form): Adam with the largest recent |g| in place of the root of the mean
// square. docs/OwnOptimizer.md goes through it. β₁ = 0.9, β₂ = 0.999, ε = 1e-8.

train.update "adamax" states ["m", "u"] scalars ["beta1_power"] values [1.0] schedule {
^bb0(%t: tensor<f64>):
  // The recipe's [schedule] takes this place.
  %one = nn.constant dense<1.0> : tensor<f64>
  train.yield %one : tensor<f64>
} step {
^bb0(%rate: tensor<f64>, %power: tensor<f64>):
  // rate / (1 - β₁ᵗ)
  %beta1 = nn.constant dense<0.9> : tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  %next = nn.mul %power, %beta1 : tensor<f64>
  %correction = nn.sub %one, %next : tensor<f64>
  %step = nn.div %rate, %correction : tensor<f64>
  train.yield %next, %step : tensor<f64>, tensor<f64>
} element {
^bb0(%theta: tensor<f32>, %gradient: tensor<f32>, %m: tensor<f32>, %u: tensor<f32>, %decay: tensor<f32>, %step: tensor<f32>):
  // g = gradient + decay·θ
  %decayed = nn.mul %decay, %theta : tensor<f32>
  %g = nn.add %gradient, %decayed : tensor<f32>
  // m ← β₁·m + (1 - β₁)·g
  %beta1 = nn.constant dense<0.9> : tensor<f32>
  %rest = nn.constant dense<0.1> : tensor<f32>
  %kept = nn.mul %beta1, %m : tensor<f32>
  %added = nn.mul %rest, %g : tensor<f32>
  %m_next = nn.add %kept, %added : tensor<f32>
  // u ← max(β₂·u, |g| + ε)
  %minus = nn.neg %g : tensor<f32>
  %size = nn.maximum %g, %minus : tensor<f32>
  %epsilon = nn.constant dense<1.0e-8> : tensor<f32>
  %floor = nn.add %size, %epsilon : tensor<f32>
  %beta2 = nn.constant dense<0.999> : tensor<f32>
  %faded = nn.mul %beta2, %u : tensor<f32>
  %u_next = nn.maximum %faded, %floor : tensor<f32>
  // θ ← θ - step·m/u
  %direction = nn.div %m_next, %u_next : tensor<f32>
  %move = nn.mul %step, %direction : tensor<f32>
  %theta_next = nn.sub %theta, %move : tensor<f32>
  train.yield %theta_next, %m_next, %u_next : tensor<f32>, tensor<f32>, tensor<f32>
}
