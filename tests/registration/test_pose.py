import numpy as np
import torch

from scripts.registration.pose import RIGID, SCALED, make_pose, move_points, rigid_matrix

CENTER = torch.tensor([[10.0], [20], [30]], dtype=torch.float64)


def test_a_quarter_turn_about_the_third_axis_and_a_shift():
    pose = make_pose((0, 0, 90), (1, 2, 3), RIGID)
    # 5 mm along x from the center become 5 mm along y.
    moved = move_points(pose, CENTER + torch.tensor([[5.0], [0], [0]]), CENTER)
    torch.testing.assert_close(moved, torch.tensor([[11.0], [27], [33]], dtype=torch.float64))


def test_the_matrix_moves_points_as_the_pose_does():
    pose = make_pose((10, -20, 30), (4, -5, 6), RIGID)
    matrix, points = rigid_matrix(pose, CENTER), torch.rand(3, 7, dtype=torch.float64)
    expected = matrix[:3, :3] @ points.numpy() + matrix[:3, 3:]
    np.testing.assert_allclose(move_points(pose, points, CENTER).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)


def test_scales_move_points_and_are_left_out_of_the_matrix():
    pose = make_pose((0, 0, 0), (0, 0, 0), SCALED)
    pose[6] = 80 * np.log(1.1)
    moved = move_points(pose, CENTER + 10, CENTER)
    torch.testing.assert_close(moved - CENTER, torch.tensor([[11.0], [10], [10]], dtype=torch.float64))
    np.testing.assert_allclose(rigid_matrix(pose, CENTER), np.eye(4), atol=1e-12)


def test_several_poses_move_points_at_once():
    poses = torch.stack([make_pose((10 * n, -20, 30), (4, -5, n), SCALED) for n in range(3)])
    points = torch.rand(3, 7, dtype=torch.float64)
    expected = torch.stack([move_points(pose, points, CENTER) for pose in poses])
    torch.testing.assert_close(move_points(poses, points, CENTER), expected)
