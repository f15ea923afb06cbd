"""The bundle in other forms: packed for the Model Zoo, exported, behind MONAI Label."""
