"""The factorizer of a representation's frames into a predictable state and an innovation (seed 002 §3 to §5).

    state          z_t = e(x_{<t}), or e(x_{≤t}) where timing is inclusive          state_encoder
    innovation     q(u_t | x_t, z_t) and p(u_t | z_t), diagonal Gaussians             innovation
    reconstructor  x_t ~ N(g(z_t, u_t), σ²)                                            reconstructor
    dynamics       p(z_{t+1} | z_t, ...), and forecasts of later frames                dynamics

Frames are in their principal axes, divided by one number: their root mean square deviation. All parts are a line plus a
network whose output begins at 0, and the lines begin as the best linear factorizer (`start`).
"""
