"""Copies of the data sets that are accepted: SHA-256 of the (training, test) parts -> note for records and captions.

The hash is that of `Images.sha256`: all pixels, then all labels. An empty note means the canonical copy. CIFAR's
canonical files are known by torchvision's MD5 sums (see `cifar.py`); here stand its other copies. And where each lies.
"""

KNOWN_COPIES: dict[str, dict[tuple[str, str], str]] = {
    "digits": {
        (
            "7ab53d775e851981fb8cfc53aeb9563c84bf366e28585734d927c49878d37170",
            "33668cfbe0367fcadef980065a5d0b70af462f9ef710a6ddb7d6d9dd97300a1f",
        ): "",
    },
    "mnist": {
        (
            "edc0d1098aa497be14ace79ddd5171e5a3dcf9c4d196c015389203eb3ba1f59b",
            "c3f9adf9c66efb572b1f9326c3a511b45910c7173b97be66ceceeeeaef6b802b",
        ): "",
    },
    "fashion-mnist": {
        (
            "16d82e2b505296aa2b78bd5ea0992634f30419a4c97def7c907d154a35ac6157",
            "9f1ec356a747bfe4ebab3cfb722d3694c9ca737e2570f6f90cf31d7b6fd689d4",
        ): "",
    },
    "cifar10": {
        (
            "fdb70903c672924f6bbdf3bdd30da97395702287cb53a7617e41cba2ae13ce1d",
            "ac6f09c611e8bcabeb3ffc906eaf0bf453a52713d8fa8539fc34a2ea5bbcdbb9",
        ): "reconstructed: 92 of 60,000 images (72 for training, 20 of the test) are stand-ins of JPEG quality",
    },
    "cifar100": {
        (
            "4e50520a1125d045fade68001374cf6c74e360819dc08b7ecffe4e6c79e9b419",
            "9567a9b3b641fe7bb60bbef94127ab5d362b5b368d692037d6687ee3acd4c521",
        ): "reconstructed: all 60,000 images are exact, those of the test in an order of their own",
    },
}

FOLDERS = {
    "mnist": "MNIST/raw",
    "fashion-mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "higgs": "higgs",
    "tiny-imagenet": "tiny-imagenet-200",
    "imagenet": "imagenet",
}
"""Where data sets lie in the data root: records are stale when what lies there becomes another one."""

KNOWN_FILES: dict[str, list[dict[str, str]]] = {
    "cifar10": [
        {
            "data_batch_1": "369de334705f7f4bdf6b35a0d70d4068872ceb9039574086a12ff73aca2ecf37",
            "data_batch_2": "d0df514443a4be8fc29518feba616084bba7074fc021305a7a74aafd0bb99a2f",
            "data_batch_3": "ea00176d62a72c42f42d6b1e58d63f63c758074e581dd2d0cbe26e75a446b5b9",
            "data_batch_4": "7083efe7f811fd5d77ffec727fbd41634bddf6c31d76f9da614a08e90addc018",
            "data_batch_5": "422afd8660c39cdb598c20e8be56404eeeb58d7664f065fb75719a9693d68a32",
            "test_batch": "d49d7d99bfaa58bd0238e43455f823d37e0277e4e9ec0451c35d51513d73a26a",
        },
    ],
    "cifar100": [
        {
            "train": "cfdd3f1f44624d219b61cf89042eb4c55fa048249b0567326568b590afcf1531",
            "test": "be4f962fb9aa36eb486ed40f38139f09217165c48fe93bb5a02974db7acbf1e1",
        },
    ],
}
"""The SHA-256 of the batch files of such copies of CIFAR, as numpy 2 pickles them."""
